import { expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { testOnEachDialect } from "../database-servers.ts";
import { TestFolder } from "../setup.ts";
import { xcore, XcoreServer } from "./xcore-process.ts";

setDefaultTimeout(60_000);

const SCHEMA = `import { id, table, varchar } from "xcore/schema";
export const notes = table("notes_notes", { id: id(), titel: varchar(50).notNull() });\n`;
const RUN = `import { createRouter, db } from "xcore";
import { notes } from "./schema.ts";
export default createRouter()
  .get("/", () => db.select().from(notes))
  .post("/:title", async ({ params }) => (await db.insert(notes).values({ titel: params.title }).returning())[0]);\n`;
const FILES = {
  "plugins/notes/plugin.json": { name: "notes", version: "1.0.0" },
  "plugins/notes/schema.ts": SCHEMA,
  "plugins/notes/run.ts": RUN,
};
const DRIZZLE = "plugins/notes/drizzle";

/** `xcore` on one database, failing loudly. */
function createRunner(folder: TestFolder, url: string) {
  return async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await xcore(folder, args, { env: { DATABASE_URL: url } });
    if (code !== 0) throw new Error(`xcore ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  };
}

testOnEachDialect("db generate, migrate and status, and plugin remove --purge", async ({ url }) => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder, url);

  expect(await run("db", "generate", "notes")).toContain("0000_create_notes_notes.sql");
  expect((await readdir(join(folder.path, DRIZZLE))).toSorted()).toEqual(["mysql", "postgres", "sqlite"]);
  expect(await run("db", "generate", "notes")).toContain("Nothing");
  expect(await run("db", "status")).toMatch(/notes +0000_create_notes_notes +pending/);
  expect(await run("db", "migrate")).toContain("applied notes 0000_create_notes_notes");
  expect(await run("db", "migrate")).toContain("up to date");
  expect(JSON.parse(await run("db", "status", "--json"))).toContainEqual(
    expect.objectContaining({ owner: "notes", migration: "0000_create_notes_notes", state: "applied" }),
  );

  {
    await using server = await XcoreServer.start(folder, { env: { DATABASE_URL: url } });
    expect((await server.fetch("/notes/first", { method: "POST" })).status).toBe(200);
    // Renamed while the server runs: the row stays.
    await folder.write({
      "plugins/notes/schema.ts": SCHEMA.replace("titel:", "title:"),
      "plugins/notes/run.ts": RUN.replace("titel:", "title:"),
    });
    await server.after(
      () => run("db", "generate", "notes", "--rename", "notes_notes.titel=title"),
      /applied migration[\s\S]+"msg":"plugin reloaded"/,
    );
    const rows = (await (await server.fetch("/notes")).json()) as unknown;
    expect(rows).toEqual([{ id: 1, title: "first" }]);
  }

  const removed = await run("plugin", "remove", "notes", "--purge", "--yes");
  expect(removed).toMatch(/notes_notes +1/);
  expect(await readdir(join(folder.path, "plugins"))).toEqual([]);
  expect(await run("db", "status", "--json")).not.toContain("notes");
});

test("db generate asks before it loses data, and writes nothing unless told to", async () => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder, "sqlite:data/app.db");
  await run("db", "generate", "notes");
  await folder.write({ "plugins/notes/schema.ts": SCHEMA.replace(", titel: varchar(50).notNull()", "") });
  const refused = await xcore(folder, ["db", "generate", "notes"]);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toMatch(/titel/);
  expect(refused.stderr).toContain("--yes");
  expect(
    (await readdir(join(folder.path, DRIZZLE, "sqlite"))).filter((name) => name.endsWith(".sql")),
  ).toEqual(["0000_create_notes_notes.sql"]);
  expect(await run("db", "generate", "notes", "--yes", "--name", "drop_titel")).toContain(
    "0001_drop_titel.sql",
  );
});

test("db generate says what is wrong with the schema, or that there is none", async () => {
  await using folder = await TestFolder.create({
    ...FILES,
    "plugins/notes/schema.ts": `${SCHEMA}export const oops = missing;\n`,
    "plugins/bare/plugin.json": { name: "bare", version: "1.0.0" },
    "plugins/bare/run.ts": 'import { createRouter } from "xcore";\nexport default createRouter();\n',
  });
  const broken = await xcore(folder, ["db", "generate", "notes"]);
  expect(broken).toMatchObject({ code: 1, stdout: "" });
  expect(broken.stderr).toContain("plugins/notes/schema.ts:3: ReferenceError");
  const bare = await xcore(folder, ["db", "generate", "bare"]);
  expect(bare).toMatchObject({ code: 1 });
  expect(bare.stderr).toContain("schema.ts");
  const unknown = await xcore(folder, ["db", "generate", "nowhere"]);
  expect(unknown.stderr).toContain('Cannot find plugin "nowhere"');
});

test("plugin remove leaves the tables, and refuses while another plugin depends on it", async () => {
  await using folder = await TestFolder.create({
    ...FILES,
    "plugins/other/plugin.json": { name: "other", version: "1.0.0", dependencies: ["notes"] },
    "plugins/other/run.ts": 'import { createRouter } from "xcore";\nexport default createRouter();\n',
  });
  const run = createRunner(folder, "sqlite:data/app.db");
  await run("db", "generate", "notes");
  await run("db", "migrate");
  const refused = await xcore(folder, ["plugin", "remove", "notes", "--yes"]);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain('"other" depends on it');
  await run("plugin", "remove", "other", "--yes");
  expect(await run("plugin", "remove", "notes", "--yes")).toContain("its tables stay");
  // Its files are gone, its tables can still be dropped.
  expect(await run("plugin", "remove", "notes", "--purge", "--yes")).toMatch(/notes_notes +0/);
  const nothing = await xcore(folder, ["plugin", "remove", "notes", "--purge", "--yes"]);
  expect(nothing.stderr).toContain('Cannot find plugin "notes"');
});

test.each([
  ["oracle://scott:tiger@db/app", /SQLite.+PostgreSQL.+MySQL/],
  ["postgresql://app:tiger@127.0.0.1:1/app?connect_timeout=1", /./],
])("xcore doesn't start on %s and hides the password", async (url, pattern) => {
  await using folder = await TestFolder.create();
  await using server = XcoreServer.spawn(folder, { env: { DATABASE_URL: url } });
  await server.waitFor(pattern);
  expect(server.output).not.toContain("tiger");
});
