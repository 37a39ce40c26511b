import { expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { testOnEachDialect } from "../../database-servers.ts";
import { TestFolder } from "../../setup.ts";
import { type Finished, xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

const SCHEMA = `import { id, table, varchar } from "xcore/schema";
export const notes = table("notes_notes", { id: id(), title: varchar(50).notNull() });\n`;
const WITH_LANGUAGE = SCHEMA.replace(" });", ", language: varchar(10).notNull() });");
const RUN = `import { createRouter, db } from "xcore";
import { notes } from "./schema.ts";
export default createRouter().get("/", () => db.select().from(notes))
  .post("/:title", async ({ params }) => (await db.insert(notes).values({ title: params.title }).returning())[0]);\n`;
const FILES = {
  "plugins/notes/plugin.json": { name: "notes", version: "1.0.0" },
  "plugins/notes/schema.ts": SCHEMA,
  "plugins/notes/run.ts": RUN,
};
const DRIZZLE = "plugins/notes/drizzle";

interface Runner {
  (...args: string[]): Promise<string>;
  /** What a command that may fail has left. */
  readonly try: (...args: string[]) => Promise<Finished>;
}

function createRunner(folder: TestFolder, url = "sqlite:data/app.db"): Runner {
  const tryTo = (...args: string[]) => xcore(folder, args, { env: { DATABASE_URL: url } });
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await tryTo(...args);
    if (code !== 0) throw new Error(`xcore ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  };
  return Object.assign(run, { try: tryTo });
}

/** All that stands below `drizzle/`, without the folders. */
async function list(folder: TestFolder): Promise<string[]> {
  const path = join(folder.path, DRIZZLE);
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .toSorted();
}

function read(folder: TestFolder, file: string): Promise<string> {
  return Bun.file(join(folder.path, DRIZZLE, file)).text();
}

testOnEachDialect("db generate --undo withdraws what isn't applied, of all databases", async ({ url }) => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder, url);
  await run("db", "generate", "notes");
  await run("db", "migrate");
  const before = await list(folder);
  const journal = await read(folder, "postgres/meta/_journal.json");
  expect(await run("db", "generate", "notes", "--undo")).toContain("Nothing to withdraw");
  expect(await list(folder)).toEqual(before);

  await folder.write({ "plugins/notes/schema.ts": SCHEMA.replace("varchar(50)", "varchar(90)") });
  await run("db", "generate", "notes");
  await folder.write({ "plugins/notes/schema.ts": SCHEMA.replace("varchar(50)", "varchar(95)") });
  await run("db", "generate", "notes", "--name", "wider");
  expect((await list(folder)).length).toBe(before.length + 12);
  const undone = await run("db", "generate", "notes", "--undo");
  expect(undone).toContain("withdrew 0001_alter_notes_notes");
  expect(undone).toContain("withdrew 0002_wider");
  expect(await list(folder)).toEqual(before);
  expect(JSON.parse(await read(folder, "postgres/meta/_journal.json"))).toEqual(JSON.parse(journal));
  // It goes on from there.
  expect(await run("db", "generate", "notes")).toContain("0001_alter_notes_notes.sql");
  expect(await run("db", "migrate")).toContain("applied notes 0001_alter_notes_notes");
});

testOnEachDialect("a bad pending migration is withdrawn, and the next one isn't trapped", async ({ url }) => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder, url);
  await run("db", "generate", "notes");
  await using server = await XcoreServer.start(folder, { env: { DATABASE_URL: url } });
  await server.fetch("/notes/one", { method: "POST" });
  await folder.write({ "plugins/notes/schema.ts": WITH_LANGUAGE });
  const generated = await server.after(
    () => run.try("db", "generate", "notes", "--yes"),
    /plugin failed: [^\n]*rows that are there have no value for[^\n]*/,
  );
  expect(generated[0]).toContain("xcore db generate notes --undo");
  // Another one after it fails with it.
  await folder.write({ "plugins/notes/schema.ts": WITH_LANGUAGE.replace("50", "60") });
  await run("db", "generate", "notes");
  expect((await run.try("db", "migrate")).stderr).toContain("rows that are there have no value");
  expect(await run("db", "status")).toMatch(/0001_alter_notes_notes +pending/);
  expect(await (await server.fetch("/notes")).json()).toEqual([{ id: 1, title: "one" }]);

  await run("db", "generate", "notes", "--undo");
  await server.after(
    () => run("db", "generate", "notes", "--backfill", "language=it's"),
    /"msg":"plugin reloaded"/,
  );
  expect(await (await server.fetch("/notes")).json()).toEqual([{ id: 1, title: "one", language: "it's" }]);
});

testOnEachDialect(
  "a bad pending migration is corrected, and the next one is applied",
  async ({ dialect, url }) => {
    await using folder = await TestFolder.create(FILES);
    const run = createRunner(folder, url);
    await run("db", "generate", "notes");
    await run("db", "migrate");
    const first = "insert into notes_notes (title) values ('kept');\n--> statement-breakpoint\n";
    const bad = `${DRIZZLE}/${dialect}/0001_bad.sql`;
    await folder.write({
      [bad]: `${first}alter table nowhere add a integer`,
      [`${DRIZZLE}/${dialect}/0002_next.sql`]: "insert into notes_notes (title) values ('next')",
    });
    expect((await run.try("db", "migrate")).code).toBe(1);
    await folder.write({ [bad]: `${first}insert into notes_notes (title) values ('mended')` });
    expect(await run("db", "migrate")).toContain("applied notes 0002_next");
  },
);

testOnEachDialect(
  "db generate --undo takes back what took effect of a failed one",
  async ({ dialect, url }) => {
    await using folder = await TestFolder.create(FILES);
    const run = createRunner(folder, url);
    const isKept = dialect === "mysql";
    await run("db", "generate", "notes");
    await run("db", "migrate");
    const before = await list(folder);
    await folder.write({
      "plugins/notes/schema.ts": `import { id, index, references, table, varchar } from "xcore/schema";
export const tags = table("notes_tags", { id: id(), name: varchar(20).unique() });
export const notes = table("notes_notes", {
  id: id(), title: varchar(50).notNull(), language: varchar(10).notNull(), tag_id: references(() => tags.id),
}, (t) => [index("notes_by_language").on(t.language)]);
`,
    });
    await run("db", "generate", "notes", "--backfill", "language=en");
    const [added = ""] = (await list(folder)).filter((file) => file.startsWith(`${dialect}/0001_`));
    const sql = await read(folder, added);
    const bad = "\n--> statement-breakpoint\nalter table nowhere add a integer";
    await folder.write({ [`${DRIZZLE}/${added}`]: sql + bad });
    const failed = await run.try("db", "migrate");
    expect(failed.code).toBe(1);
    expect(failed.stderr.includes("take them back with xcore db generate notes --undo")).toBe(isKept);
    if (isKept) {
      const refused = await run.try("db", "generate", "notes", "--undo");
      expect(refused.stderr).toContain("add --yes");
    }
    const undone = await run.try("db", "generate", "notes", "--undo", "--yes");
    expect([undone.code, undone.stdout]).toEqual([0, expect.stringContaining("withdrew 0001_")]);
    expect(undone.stderr.includes("DROP TABLE `notes_tags`")).toBe(isKept);
    expect(await list(folder)).toEqual(before);
    expect(await run("db", "status")).not.toMatch(/notes +0001_|partial|pending/);

    // As though it had never been tried.
    await run("db", "generate", "notes", "--backfill", "language=de");
    expect(await run("db", "migrate")).toContain("applied notes 0001_");

    const dropping = `alter table notes_notes drop column language${bad}`;
    await folder.write({ [`${DRIZZLE}/${dialect}/0002_gone.sql`]: dropping });
    expect((await run.try("db", "migrate")).code).toBe(1);
    const last = await run.try("db", "generate", "notes", "--undo", "--yes");
    expect(last.code).toBe(isKept ? 1 : 0);
    if (isKept) expect(last.stderr).toContain("no. 1 can't be undone on this database");
  },
);

test("db generate --undo asks before it deletes what was written by hand", async () => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder);
  await run("db", "generate", "notes");
  await run("db", "migrate");
  await folder.write({ [`${DRIZZLE}/sqlite/0001_mine.sql`]: "insert into notes_notes (title) values ('x')" });
  const refused = await run.try("db", "generate", "notes", "--undo");
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("--yes") });
  expect(await list(folder)).toContain("sqlite/0001_mine.sql");
  const undone = await run.try("db", "generate", "notes", "--undo", "--yes");
  expect(undone.stderr).toContain("by hand, and deleted with the rest: 0001_mine");
  expect(undone.stderr).toContain("Accepted with --yes");
  expect(await list(folder)).not.toContain("sqlite/0001_mine.sql");
});

test("db generate --undo refuses what comes before an applied one, and leaves no empty folder", async () => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder);
  await run("db", "generate", "notes");
  await run("db", "generate", "notes", "--undo");
  expect(await readdir(join(folder.path, "plugins/notes"))).not.toContain("drizzle");
  await run("db", "generate", "notes");
  await run("db", "migrate");
  // As after a merge: numbers that no server would read.
  await folder.write({ [`${DRIZZLE}/sqlite/0000_other.sql`]: "select 1" });
  expect((await run.try("db", "migrate")).stderr).toContain("the same number");
  await run("db", "generate", "notes", "--undo", "--yes");
  expect(await run("db", "migrate")).toContain("up to date");
  expect(await list(folder)).toContain("sqlite/meta/0000_snapshot.json");
});

testOnEachDialect(
  "db generate --draft is applied once it is real, with what was edited",
  async ({ dialect, url }) => {
    await using folder = await TestFolder.create(FILES);
    const run = createRunner(folder, url);
    await run("db", "generate", "notes");
    await using server = await XcoreServer.start(folder, { env: { DATABASE_URL: url } });
    await server.fetch("/notes/one", { method: "POST" });
    await server.after(() => folder.write({ "plugins/notes/schema.ts": WITH_LANGUAGE }), /plugin failed/);
    const written = await server.after(
      () => run("db", "generate", "notes", "--draft", "--backfill", "language=en"),
      /plugin failed: [^\n]*0001_alter_notes_notes is a draft, which xcore db generate notes makes real/,
    );
    expect(written).not.toBeNull();
    const migrated = await run.try("db", "migrate");
    expect(migrated).toMatchObject({ code: 0, stdout: "Nothing to apply\n" });
    expect(migrated.stderr).toContain(
      "0001_alter_notes_notes is a draft, which xcore db generate notes makes",
    );
    const status = await run("db", "status");
    expect(status).toMatch(/notes +0001_alter_notes_notes +draft/);
    expect(status).toMatch(/notes +schema\.ts +ahead/);
    expect(await run("plugin", "list")).toContain("0001_alter_notes_notes is a draft");
    expect(await (await server.fetch("/notes")).json()).toEqual([{ id: 1, title: "one" }]);

    const file = `${dialect}/0001_alter_notes_notes.sql`;
    await folder.write({ [`${DRIZZLE}/${file}`]: (await read(folder, file)).replace("'en'", "'de'") });
    const made = await server.after(() => run("db", "generate", "notes"), /"msg":"plugin reloaded"/);
    expect(made).not.toBeNull();
    expect(await (await server.fetch("/notes")).json()).toEqual([{ id: 1, title: "one", language: "de" }]);
    expect(await run("db", "generate", "notes")).toContain("Nothing has changed");
  },
);

test("db generate --empty writes a draft for each database, to be written by hand", async () => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder);
  await run("db", "generate", "notes");
  await run("db", "migrate");
  const printed = await run("db", "generate", "notes", "--empty", "--name", "backfill");
  expect(printed).toContain("sqlite/0001_backfill.sql");
  expect((await list(folder)).filter((name) => name.includes("0001"))).toHaveLength(6);
  expect(await run("db", "migrate")).toContain("up to date");
  const early = await run.try("db", "generate", "notes");
  expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining("nothing is written in") });
  const file = "sqlite/0001_backfill.sql";
  const statements = "insert into notes_notes (title) values ('by hand');\n";
  await folder.write({ [`${DRIZZLE}/${file}`]: (await read(folder, file)) + statements });
  expect(await run("plugin", "list")).toContain("notes: 0001_backfill is a draft");
  expect(await run("db", "generate", "notes")).toContain("0001_backfill is no longer a draft");
  expect(await run("db", "migrate")).toContain("applied notes 0001_backfill");
  expect(await run("db", "status")).toMatch(/0001_backfill +applied/);
  // What is generated next goes on from the same tables.
  await folder.write({ "plugins/notes/schema.ts": SCHEMA.replace("50", "60") });
  expect(await run("db", "generate", "notes")).toContain("0002_alter_notes_notes.sql");
  const empty = await run("db", "generate", "notes", "--empty");
  expect(empty).toContain("0003_by_hand.sql");
});

test("db generate offers a backfill, and prints what --yes accepts", async () => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder);
  await run("db", "generate", "notes");
  await run("db", "migrate");
  await folder.write({ "plugins/notes/schema.ts": WITH_LANGUAGE });
  const offered = await run.try("db", "generate", "notes");
  expect(offered.code).toBe(1);
  expect(offered.stderr).toContain("--backfill 'notes_notes.language=…'");
  const accepted = await run.try("db", "generate", "notes", "--yes");
  expect(accepted.code).toBe(0);
  expect(accepted.stderr).toContain('Adds column "notes_notes.language", required and without a default');
  expect(accepted.stderr).toContain("Accepted with --yes");
  await run("db", "generate", "notes", "--undo");
  const filled = await run.try("db", "generate", "notes", "--backfill", "language=en");
  expect(filled).toMatchObject({ code: 0, stderr: "" });
});

test.each([
  [["--backfill", "language"], 2, 'write "column=value"'],
  [["--backfill", "nope=1"], 1, 'Cannot backfill "nope"'],
  [["--undo", "--draft"], 2, "cannot be used with"],
  [["--empty", "--backfill", "a=b"], 2, "cannot be used with"],
])("db generate %p is a mistake that is told", async (args, code, message) => {
  await using folder = await TestFolder.create(FILES);
  const done = await createRunner(folder).try("db", "generate", "notes", ...args);
  expect(done.code).toBe(code);
  expect(done.stderr).toContain(message);
  expect(done.stderr).not.toMatch(/^ +at /m);
});
