import { expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { testOnEachDialect } from "../../database-servers.ts";
import { TestFolder } from "../../setup.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

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
  const core = await xcore(folder, ["db", "generate", "core"]);
  expect(core).toMatchObject({ code: 1, stdout: "" });
  expect(core.stderr).toContain("xcore's own repository");
  expect(await readdir(folder.path)).not.toContain("drizzle");
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
  expect(await run("plugin", "remove", "notes", "--yes")).toContain("tables of its own stay");
  // Its files are gone, its tables can still be dropped.
  expect(await run("plugin", "remove", "notes", "--purge", "--yes")).toMatch(/notes_notes +0/);
  const nothing = await xcore(folder, ["plugin", "remove", "notes", "--purge", "--yes"]);
  expect(nothing.stderr).toContain('Cannot find plugin "notes"');
});

test("db migrate says of a schema.ts that is ahead of its migrations what to run", async () => {
  await using folder = await TestFolder.create(FILES);
  const advice = "schema.ts is ahead of its migrations: run xcore db generate notes";
  const missing = await xcore(folder, ["db", "migrate"]);
  expect(missing).toMatchObject({ code: 0, stderr: expect.stringContaining(`notes: ${advice}`) });
  expect((await xcore(folder, ["db", "generate", "notes"])).code).toBe(0);
  expect(await xcore(folder, ["db", "migrate"])).toMatchObject({ code: 0, stderr: "" });
  // Up to date means the tables too.
  await folder.write({ "plugins/notes/schema.ts": SCHEMA.replace("titel", "title") });
  const ahead = await xcore(folder, ["db", "migrate"]);
  expect(ahead).toMatchObject({ code: 0, stderr: expect.stringContaining(`notes: ${advice}`) });
  expect(ahead.stdout).toContain("Nothing to apply");
  expect(ahead.stdout).not.toContain("up to date");
  await folder.write({ "plugins/notes/schema.ts": "throw new Error('not today');" });
  const broken = await xcore(folder, ["db", "migrate"]);
  expect(broken.stderr).toContain("not today");
  expect(broken.stderr).not.toMatch(/^ +at /m);
});

testOnEachDialect("db migrate stops at what fails, and refuses what was edited", async ({ dialect, url }) => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder, url);
  const migrate = () => xcore(folder, ["db", "migrate"], { env: { DATABASE_URL: url } });
  await run("db", "generate", "notes");
  await run("db", "migrate");
  const file = `${DRIZZLE}/${dialect}/0001_broken.sql`;
  const first = "insert into notes_notes (titel) values ('kept');\n--> statement-breakpoint\n";
  await folder.write({ [file]: `${first}alter table notes_nowhere add wrong integer;` });
  const failed = await migrate();
  expect(failed).toMatchObject({ code: 1, stdout: "" });
  expect(failed.stderr).toContain(`Cannot apply migration "${file}" of "notes": statement 2 (alter table`);
  expect(failed.stderr).toContain('Cannot query table "notes_nowhere"');
  expect(failed.stderr).toContain("Cannot migrate notes: see above");
  expect(await run("db", "status")).toMatch(/notes +0001_broken +(?:pending|partial)/);

  await folder.write({ [file]: `${first}alter table notes_notes add fine integer;` });
  expect(await run("db", "migrate")).toContain("applied notes 0001_broken");
  await folder.write({ [file]: `${first}alter table notes_notes add other integer;` });
  const refused = await migrate();
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain(`"${file}" was edited after it had been applied`);
  expect(await run("db", "status")).toMatch(/notes +0001_broken +changed/);
  expect(await run("plugin", "remove", "notes", "--purge", "--yes")).toMatch(/notes_notes +1/);
});

testOnEachDialect("servers that start at once apply each migration once, and all serve", async ({ url }) => {
  await using folder = await TestFolder.create(FILES);
  await createRunner(folder, url)("db", "generate", "notes");
  const env = { DATABASE_URL: url };
  const servers = [1, 2, 3].map(() => XcoreServer.start(folder, { env }));
  await using first = await servers[0]!;
  await using second = await servers[1]!;
  await using third = await servers[2]!;
  const output = [first, second, third].map((server) => server.output).join("");
  expect(output.match(/applied migration \\"0000_create_notes_notes/g)).toHaveLength(1);
  expect(output).not.toMatch(/"level":"(?:warn|error)"/);
  for (const server of [first, second, third]) {
    // oxlint-disable-next-line no-await-in-loop -- the rows are counted in this order
    expect((await server.fetch("/notes/x", { method: "POST" })).status).toBe(200);
  }
  expect(await (await first.fetch("/notes")).json()).toHaveLength(3);
});

test("a plugin's migrations that can't be read leave those of the others alone", async () => {
  await using folder = await TestFolder.create({
    ...FILES,
    "plugins/odd/plugin.json": { name: "odd", version: "1.0.0" },
    "plugins/odd/drizzle/sqlite/first.sql": "select 1;",
  });
  expect((await xcore(folder, ["db", "generate", "notes"])).code).toBe(0);
  const migrated = await xcore(folder, ["db", "migrate"]);
  expect(migrated).toMatchObject({ code: 1, stdout: expect.stringContaining("applied notes 0000_create") });
  const status = await xcore(folder, ["db", "status"]);
  expect(status).toMatchObject({ code: 1, stdout: expect.stringMatching(/notes +0000_create\S+ +applied/) });
  for (const { stderr } of [migrated, status]) {
    expect(stderr).toContain(`first.sql": its name must be four digits`);
    expect(stderr).not.toMatch(/^ +at /m);
  }
});

test.each([
  [["--rename", "nope=other"], 'Cannot rename "nope" to "other": it isn\'t in the last migration'],
  [["--name", "../up"], 'Cannot name a migration "../up"'],
])("db generate tells a mistake without a stack: %p", async (args, message) => {
  await using folder = await TestFolder.create(FILES);
  const { code, stderr } = await xcore(folder, ["db", "generate", "notes", ...args]);
  expect(code).toBe(1);
  expect(stderr).toStartWith(message);
  expect(stderr).not.toMatch(/^ +at /m);
});
