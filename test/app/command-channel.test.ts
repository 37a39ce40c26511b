import { expect, setDefaultTimeout, test } from "bun:test";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { plugin, TestFolder } from "../setup.ts";
import { xcore, XcoreServer } from "../cli/xcore-process.ts";

setDefaultTimeout(120_000);

const SCHEMA = `import { id, table } from "xcore/schema";
export const deals = table("crm_deals", { id: id() });\n`;
const empty = 'import { createRouter } from "xcore";\nexport default createRouter();\n';

/** Plugins of which only a server can tell what becomes of them. */
const FILES = Object.fromEntries(
  Object.entries({
    ...plugin("fine", '.get("/", () => "fine")'),
    ...plugin("off", "", { active: false }),
    ...plugin("setup", ""),
    "setup/run.ts": 'export async function setup() {\n  throw new Error("no luck");\n}\n',
    ...plugin("sql", ""),
    "sql/run.ts": empty,
    "sql/drizzle/sqlite/0000_bad.sql": "create nonsense",
    ...plugin("ahead", ""),
    "ahead/run.ts": empty,
    "ahead/schema.ts": SCHEMA,
    ...plugin("hand", ""),
    "hand/run.ts": empty,
    "hand/schema.ts": SCHEMA.replace("crm", "hand"),
    "hand/drizzle/sqlite/0000_other.sql": "create table hand_other (id integer)",
  }).map(([name, content]) => [`plugins/${name}`, content]),
);

async function list(folder: TestFolder): Promise<unknown[]> {
  const { code, stdout, stderr } = await xcore(folder, ["plugin", "list", "--json"]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as unknown[];
}

/** What `/system/plugins` says to an administrator. */
async function ask(server: XcoreServer): Promise<() => Promise<unknown[]>> {
  const [, token = ""] = await server.waitFor(/\/auth\/setup\?token=(\S+)/);
  const account = { email: "ada@example.org", password: "sunny harbour violet 47" };
  const post = (path: string, fields: Record<string, string>) =>
    server.fetch(path, { method: "POST", body: new URLSearchParams(fields) });
  await post("/auth/setup", { token, ...account });
  const login = await post("/auth/login", { username: account.email, password: account.password });
  const { access_token } = (await login.json()) as { access_token: string };
  const headers = { authorization: `Bearer ${access_token}` };
  return async () => {
    const answer = (await (await server.fetch("/system/plugins", { headers })).json()) as object;
    return Array.isArray(answer) ? answer : (answer as { items: unknown[] }).items;
  };
}

test("xcore plugin list tells what /system/plugins tells, while a server runs", async () => {
  await using folder = await TestFolder.create(FILES);
  await using server = await XcoreServer.start(folder);
  const told = await ask(server);
  const before = await told();
  expect(before).toHaveLength(6);
  expect(await list(folder)).toEqual(before);
  expect(before).toMatchObject([
    { name: "ahead", state: "failed", failure: { stage: "migrate" } },
    { name: "fine", state: "serving" },
    { name: "hand", state: "failed", failure: { stage: "migrate" } },
    { name: "off", state: "disabled" },
    { name: "setup", state: "failed", failure: { stage: "setup", line: 2 } },
    { name: "sql", state: "failed", failure: { stage: "migrate" } },
  ]);
  const text = (await xcore(folder, ["plugin", "list"])).stdout;
  expect(text).toContain("setup: plugins/setup/run.ts:2: Error: no luck");

  await server.after(
    () => folder.write({ "plugins/fine/run.ts": "export default 1;\n" }),
    /generation 1 keeps serving/,
  );
  const after = await told();
  expect(after[1]).toMatchObject({ name: "fine", state: "failed", serving: true, generation: 1 });
  expect(await list(folder)).toEqual(after);
  const served = (await xcore(folder, ["plugin", "list"])).stdout;
  expect(served).toMatch(/^fine: .*; its last good version keeps serving$/m);
  expect(served).not.toMatch(/^setup: .*keeps serving/m);
  expect(served).not.toContain("No server runs");
});

test("without a server, or after one was killed, xcore plugin list looks at the files", async () => {
  await using folder = await TestFolder.create(FILES);
  expect((await xcore(folder, ["plugin", "list"])).stdout).toMatch(/^No server runs for this project/m);
  const run = join(folder.path, "data/run");
  {
    await using server = await XcoreServer.start(folder);
    expect((await stat(run)).mode & 0o777).toBe(0o700);
    expect(await readdir(run)).toHaveLength(1);
    server.kill("SIGKILL");
    await server.exited;
  }
  const names = (await list(folder)).map((one) => (one as { state: string }).state);
  expect(names).toEqual(["failed", "serving", "serving", "disabled", "serving", "serving"]);
  await using server = await XcoreServer.start(folder);
  expect(await readdir(run)).toHaveLength(1);
  server.kill("SIGTERM");
  await server.exited;
  expect(await readdir(run)).toEqual([]);
});

test("a server whose data directory can hold no socket runs all the same", async () => {
  const deep = `${"deep".repeat(10)}/`.repeat(4);
  await using folder = await TestFolder.create({
    ...FILES,
    "config.json": { app: { data_directory: `${deep}data` }, database: { url: "sqlite:app.db" } },
  });
  await using server = await XcoreServer.start(folder);
  expect(await (await server.fetch("/fine")).text()).toBe("fine");
  expect(await list(folder)).toHaveLength(6);
});
