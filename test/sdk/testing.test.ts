import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createTestHost, type TestHostOptions } from "../../src/sdk/testing.ts";
import { FROM_SOURCES, XCORE } from "../cli/xcore-command.ts";
import { type Files, plugin, TestFolder } from "../setup.ts";

setDefaultTimeout(120_000);

// As `xcore test` does. A host that runs from the sources reads all of them anew.
beforeAll(() => {
  if (XCORE !== FROM_SOURCES) process.env["XCORE"] = XCORE[0];
});
afterAll(() => {
  delete process.env["XCORE"];
});

/** A host of plugins that are written to a folder for it. */
async function startHost(files: Files, options: Partial<TestHostOptions> = {}) {
  await using folder = await TestFolder.create(files);
  const names = new Set(Object.keys(files).map((file) => file.split("/")[0] ?? ""));
  const plugins = [...names].map((name) => join(folder.path, name));
  return await createTestHost({ plugins, ...options });
}

const code = (lines: string): string =>
  `import { config, createRouter, db, hooks, log } from "xcore";\n${lines}\n`;

const manifest = (name: string, more: object = {}): object => ({ name, version: "1.0.0", ...more });

test("createTestHost() serves a plugin with its settings, those of the manifest below them", async () => {
  const router = '.get("/", () => config)';
  const files = {
    "crm/plugin.json": manifest("crm", { config: { currency: "USD", limit: 3 } }),
    "crm/run.ts": code(`export default createRouter()${router};`),
    // A test that stands beside the code is no part of the plugin.
    "crm/crm.test.ts": "this is no code",
  };
  await using host = await startHost(files, { settings: { crm: { currency: "EUR" } } });
  const response = await host.fetch("/crm");
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ currency: "EUR", limit: 3 });
  expect(response.url).toStartWith("http://127.0.0.1:");
});

test("createTestHost() doesn't wait for the disk, unless it is told to", async () => {
  const router = '.get("/", async () => (await db.execute(sql`select * from pragma_synchronous`))[0])';
  const files = {
    "crm/run.ts": `import { sql } from "drizzle-orm";\nimport { createRouter, db } from "xcore";\nexport default createRouter()${router};`,
  };
  const settings = [];
  for (const config of [{}, { database: { durability: "full" } }]) {
    await using host = await startHost({ ...files, "crm/plugin.json": manifest("crm") }, { config });
    settings.push(await (await host.fetch("/crm")).json());
  }
  expect(settings).toEqual([{ synchronous: 1 }, { synchronous: 2 }]);
});

test("createTestHost() serves a single-file plugin", async () => {
  const info = 'export const PLUGIN_INFO = { name: "single", version: "1.0.0" };';
  await using host = await startHost({
    "single.ts": code(`${info}\nexport default createRouter().get("/", "one");`),
  });
  expect(await (await host.fetch("/single")).text()).toBe("one");
});

test("createUser() makes users who may do what they are given, and no more", async () => {
  const router = `.get("/read", "read", { permission: "invoices:read" })
    .get("/sign", "signed", { role: "accountant" })
    .get("/me", ({ user }) => user.email, { auth: true })`;
  await using host = await startHost(plugin("invoices", router));
  const statusesOf = async (headers: Record<string, string>) => {
    const paths = ["/invoices/read", "/invoices/sign", "/invoices/me", "/system/plugins"];
    const responses = await Promise.all(paths.map((path) => host.fetch(path, { headers })));
    return responses.map(({ status }) => status);
  };
  expect(await statusesOf({})).toEqual([401, 401, 401, 401]);
  const nobody = await host.createUser();
  expect(await statusesOf(nobody.headers)).toEqual([403, 403, 200, 403]);
  const reader = await host.createUser({ email: "Reader@Example.com", permissions: ["invoices:read"] });
  expect(await statusesOf(reader.headers)).toEqual([200, 403, 200, 403]);
  expect(await (await host.fetch("/invoices/me", { headers: reader.headers })).text()).toBe(
    "reader@example.com",
  );
  const signers = await Promise.all([1, 2].map(() => host.createUser({ roles: ["accountant"] })));
  expect(new Set(signers.map(({ id }) => id)).size).toBe(2);
  for (const { headers } of signers) expect(await statusesOf(headers)).toEqual([403, 200, 200, 403]);
  const admin = await host.admin();
  expect(await host.admin()).toBe(admin);
  expect(await statusesOf(admin.headers)).toEqual([200, 403, 200, 200]);
  expect(host.createUser({ permissions: ["invoices"] })).rejects.toThrow(
    'Cannot give the permission "invoices": expected a resource and an action',
  );
  expect(host.createUser({ email: "reader@example.com" })).rejects.toThrow("There is an account");
});

test("fetch() sends JSON, and says what is wrong with a path", async () => {
  const router = '.post("/", ({ body }) => body).put("/", ({ body }) => ({ put: body }))';
  await using host = await startHost(plugin("echo", router));
  expect(await (await host.fetch("/echo", { json: { a: 1 } })).json()).toEqual({ a: 1 });
  const put = await host.fetch("/echo", { method: "PUT", json: null, headers: { "x-of": "test" } });
  expect(await put.json()).toEqual({ put: null });
  expect(host.fetch("echo")).rejects.toThrow('Cannot fetch "echo": write it with a "/" in front');
});

test("events holds what was emitted before an answer; waitForEvent() waits for what comes after it", async () => {
  const run = code(`
let sendLate = () => {};
hooks.on("crm.late", ({ stop }) => stop(), { order: "before" });
export default createRouter()
  .get("/now", async () => { await hooks.emit("crm.now", { at: new Date(0), big: 1n }); return "ok"; })
  .get("/loop", async () => { const loop = {}; loop.self = loop; await hooks.emit("crm.loop", loop); return "ok"; })
  .get("/later", () => { sendLate = () => void hooks.emit("crm.late", { number: 2 }); return "ok"; })
  .get("/send", () => { setTimeout(sendLate, 20); return "ok"; });`);
  await using host = await startHost({ "crm/plugin.json": manifest("crm"), "crm/run.ts": run });
  expect(host.events).toEqual([
    { name: "plugin.loaded", source: null, data: expect.objectContaining({ name: "crm" }) },
  ]);
  for (let round = 1; round <= 20; round += 1) {
    await host.fetch("/crm/now");
    expect(host.events.filter(({ name }) => name === "crm.now")).toHaveLength(round);
  }
  expect(host.events.at(-1)).toEqual({
    name: "crm.now",
    source: "crm",
    data: { at: "1970-01-01T00:00:00.000Z", big: "1" },
  });
  expect(await host.waitForEvent("crm.now")).toBe(host.events[1] as never);
  await host.fetch("/crm/loop");
  expect(host.events.at(-1)?.data).toContain("[Circular");
  const late = host.waitForEvent("crm.late", ({ data }) => data.number === 2);
  await host.fetch("/crm/later");
  await host.fetch("/crm/send");
  expect(await late).toEqual({ name: "crm.late", source: "crm", data: { number: 2 } });
});

test("emit() reaches the plugin's handlers and tells how they fared", async () => {
  const run = code(`
let total = 0;
hooks.on("shop.paid", ({ data }) => (total += data.amount));
hooks.on("shop.*", () => { throw new TypeError("no shop"); }, { order: "after" });
export default createRouter().get("/", () => ({ total }));`);
  await using host = await startHost({ "crm/plugin.json": manifest("crm"), "crm/run.ts": run });
  expect(await host.emit("shop.paid", { amount: 12 })).toEqual([
    { source: "crm", status: "ok", value: 12 },
    { source: "crm", status: "threw", error: "no shop" },
  ]);
  expect(await (await host.fetch("/crm")).json()).toEqual({ total: 12 });
  expect(await host.emit("nobody.listens")).toEqual([]);
});

test("logs() holds what plugins log, and their errors, without the requests", async () => {
  const run = code(`export default createRouter()
  .get("/", () => { log.debug({ deal: 7 }, "won"); return "ok"; })
  .get("/bad", () => { throw new Error("no luck"); });`);
  await using host = await startHost({ "crm/plugin.json": manifest("crm"), "crm/run.ts": run });
  await host.fetch("/crm");
  expect((await host.fetch("/crm/bad")).status).toBe(500);
  const lines = (await host.logs()).map(({ level, plugin: name, msg }) => `${level} ${name} ${msg}`);
  expect(lines).toEqual(["info crm plugin loaded", "debug crm won", "error crm request failed"]);
  expect(await host.logs()).toContainEqual(expect.objectContaining({ msg: "won", deal: 7 }));
});

test("mails() holds what was sent, as its recipients would read it", async () => {
  await using folder = await TestFolder.create({
    "post/plugin.json": { name: "post", version: "1.0.0" },
    "post/run.ts": `import { createRouter, mail } from "xcore";
export default createRouter().post("/", () => mail.send({ to: "ada@example.com", template: "welcome", data: { name: "<Ada>" } }));`,
    "post/templates/mail/welcome.html": `{% extends "mail/layout.html" %}
{% block subject %}Welcome, {{ name }}{% endblock %}
{% block text %}Hello {{ name }}{% endblock %}
{% block html %}<p>Hello {{ name }}</p>{% endblock %}`,
  });
  await using host = await createTestHost({ plugins: [join(folder.path, "post")] });
  expect(await host.mails()).toEqual([]);
  expect((await host.fetch("/post", { method: "POST" })).status).toBe(200);
  expect(await host.mails()).toMatchObject([
    {
      to: "ada@example.com",
      subject: "Welcome, <Ada>",
      text: expect.stringContaining("Hello <Ada>"),
      html: expect.stringContaining("<p>Hello &lt;Ada&gt;</p>"),
      template: "welcome",
      language: "en",
      plugin: "post",
    },
  ]);
});

test("config takes other keys of config.json, and refuses what isn't one", async () => {
  const files = plugin("crm", '.get("/", () => { throw new Error("shown"); })');
  await using host = await startHost(files, { config: { app: { debug: true } } });
  expect(await (await host.fetch("/crm")).json()).toMatchObject({ detail: expect.stringContaining("shown") });
  expect(startHost(files, { config: { app: { debugg: true } } })).rejects.toThrow(
    /Cannot use config\.json: 1 problem\n {2}app\.debugg .*did you mean/,
  );
});

test("plugins that are depended on are found beside those that are named, and theirs in turn", async () => {
  const files = {
    "base/plugin.json": manifest("base"),
    "base/run.ts": code('export const name = "base"; export default createRouter();'),
    "erp/core/plugin.json": manifest("erp_core", { dependencies: { base: "^1.0.0" } }),
    "erp/core/run.ts": code('export { name } from "plugin:base"; export default createRouter();'),
    "erp/crm/plugin.json": manifest("crm", { dependencies: ["erp_core"] }),
    "erp/crm/run.ts": code(
      'import { name } from "plugin:erp_core"; export default createRouter().get("/", () => name);',
    ),
    "erp/broken/plugin.json": "{",
  };
  await using folder = await TestFolder.create(files);
  const paths = (...names: string[]) => ({ plugins: names.map((name) => join(folder.path, name)) });
  await using host = await createTestHost(paths("erp/crm", "base"));
  expect(await (await host.fetch("/crm")).text()).toBe("base");
  expect(new Set(host.events.map(({ data }) => data.name))).toEqual(new Set(["base", "crm", "erp_core"]));
  expect(createTestHost(paths("erp/crm"))).rejects.toThrow('Cannot load plugin "erp_core" (dependencies): ');
});

const FAILURES: [what: string, files: Files, reason: RegExp][] = [
  [
    "that can't be bundled",
    {
      "crm/plugin.json": manifest("crm"),
      "crm/run.ts": code('import { x } from "./x.ts";\nexport default x;'),
    },
    /^Cannot load plugin "crm" \(bundle\): .*crm\/run\.ts:2: Cannot find "\.\/x\.ts"/,
  ],
  [
    "that throws while it is imported",
    {
      "crm/plugin.json": manifest("crm"),
      "crm/run.ts": 'const why: string = "no luck";\nthrow new Error(why);',
    },
    /^Cannot load plugin "crm" \(import\): .*crm\/run\.ts:2: Error: no luck$/,
  ],
  [
    "whose setup never ends",
    {
      "crm/plugin.json": manifest("crm"),
      "crm/run.ts": code("export const setup = () => new Promise(() => {});"),
    },
    /^Cannot load plugin "crm" \(setup\): .*setup\(\) took longer than 0\.1 s/,
  ],
  [
    "whose manifest is no JSON",
    { "crm/plugin.json": "{" },
    /^Cannot load plugin "crm" \(manifest\): .*crm\/plugin\.json:1/,
  ],
  [
    "that is disabled",
    { ...plugin("crm", ""), "crm/plugin.json": manifest("crm", { active: false }) },
    /^Cannot test plugin "crm": it is disabled; set "active" to true in its manifest$/,
  ],
  [
    "that has what it depends on nowhere",
    plugin("crm", "", { dependencies: ["erp_core"] }),
    /^Cannot load plugin "crm" \(dependencies\): .*Cannot find dependency "erp_core"/,
  ],
  ["that is no plugin", { "crm.txt": "" }, /^Cannot use ".*crm\.txt" as a plugin: name a folder/],
  [
    "beside another of its name",
    { "a/crm/plugin.json": manifest("crm"), "b/crm/plugin.json": manifest("crm") },
    /^Cannot test .*a\/crm together with .*b\/crm: both are called "crm"$/,
  ],
];

for (const [what, files, reason] of FAILURES) {
  test(`createTestHost() rejects with the reason for a plugin ${what}`, async () => {
    await using folder = await TestFolder.create(files);
    const names = Object.keys(files).map((file) =>
      /^.\//.test(file) ? file.slice(0, 5) : file.split("/")[0],
    );
    const plugins = [...new Set(names)].map((name) => join(folder.path, name ?? ""));
    const failure = await createTestHost({ plugins, setupTimeoutMs: 100 }).then(
      () => null,
      (error: unknown) => error as Error,
    );
    expect(failure?.message).toMatch(reason);
    expect(failure?.stack).toContain("testing.test.ts");
  });
}

test("createTestHost() says where it looked for a plugin that isn't there", () => {
  expect(createTestHost({ plugins: ["./plugins/nope"] })).rejects.toThrow(
    `Cannot find plugin "plugins/nope": nothing is at ${join(process.cwd(), "plugins/nope")}`,
  );
});

test("hosts that run at once have databases of their own, and leave nothing behind", async () => {
  const files = {
    "notes/plugin.json": manifest("notes"),
    "notes/schema.ts":
      'import { id, table } from "xcore/schema";\nexport const notes = table("notes_notes", { id: id() });\n',
    "notes/drizzle/sqlite/0000_create.sql":
      "CREATE TABLE `notes_notes` (`id` integer PRIMARY KEY AUTOINCREMENT);",
    "notes/run.ts": code(`import { notes } from "./schema.ts";
export default createRouter()
  .get("/", () => db.$count(notes))
  .post("/", async () => { await db.insert(notes).values({}); return "ok"; });`),
  };
  await using tmp = await TestFolder.create();
  const { TMPDIR } = process.env;
  process.env["TMPDIR"] = tmp.path;
  await using folder = await TestFolder.create(files);
  const start = () => createTestHost({ plugins: [join(folder.path, "notes")] });
  const hosts = await Promise.all([start(), start()]).finally(() => {
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
  });
  const [one, other] = hosts;
  expect((await readdir(tmp.path)).filter((name) => name !== folder.path.split("/").at(-1))).toHaveLength(2);
  await one.fetch("/notes", { method: "POST" });
  expect(await (await one.fetch("/notes")).text()).toBe("1");
  expect(await (await other.fetch("/notes")).text()).toBe("0");
  await Promise.all(hosts.map((host) => host.close()));
  expect((await readdir(tmp.path)).filter((name) => name !== folder.path.split("/").at(-1))).toEqual([]);
  expect(existsSync(join(folder.path, "notes/run.ts"))).toBe(true);
  expect(fetch(one.url)).rejects.toThrow();
  expect(one.createUser()).rejects.toThrow("Cannot use the test host: it has ended");
});

test("an error that a plugin leaves uncaught fails the test that closes the host", async () => {
  const run = code(`export default createRouter().get("/", () => {
  setTimeout(() => { hooks.emit("crm.thrown"); throw new Error("forgotten"); });
  return "ok";
});`);
  const host = await startHost({ "crm/plugin.json": manifest("crm"), "crm/run.ts": run });
  await host.fetch("/crm");
  await host.waitForEvent("crm.thrown");
  expect(host.close()).rejects.toThrow(/uncaught: Error: forgotten\n.*crm\/run\.ts:3/);
});

test("a plugin that ends the process fails what waits for it, and closing goes on", async () => {
  // The `process` that a plugin is given can't: see docs/security.md for what gets past it.
  const host = await startHost(plugin("crm", '.get("/", () => new Function("process.exit(3)")())'));
  expect(host.fetch("/crm")).rejects.toThrow();
  await host.close();
  expect(host.admin()).rejects.toThrow("Cannot use the test host: it has ended");
});
