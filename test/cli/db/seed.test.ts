import { sql } from "drizzle-orm";
import { expect, setDefaultTimeout, test } from "bun:test";
import { testOnEachDialect } from "../../database-servers.ts";
import { TestFolder } from "../../setup.ts";
import { type Finished, xcore } from "../xcore-process.ts";

setDefaultTimeout(120_000);

const SCHEMA = `import { id, relations, table, varchar } from "xcore/schema";
export const notes = table("notes_notes", { id: id(), title: varchar(50).notNull().unique() });
export const noteRelations = relations(notes, () => ({}));\n`;
const SEED = `import { db, log } from "xcore";
import { users } from "xcore/schema";
import { titles } from "./titles.ts";
import { notes } from "./schema.ts";
export default async function seed(): Promise<void> {
  for (const title of titles) await db.insert(notes).values({ title });
  await db.transaction(async (tx) => { await tx.insert(notes).values({ title: \`\${await db.$count(users)} users\` }); });
  if ((await db.query.notes.findMany()).length !== 3) throw new Error("They aren't there");
  log.warn("seeding");
}\n`;
const empty = 'import { createRouter } from "xcore";\nexport default createRouter();\n';
const FILES = {
  "plugins/notes/plugin.json": { name: "notes", version: "1.0.0" },
  "plugins/notes/schema.ts": SCHEMA,
  "plugins/notes/titles.ts": 'export const titles: readonly string[] = ["one", "two"];\n',
  "plugins/notes/seed.ts": SEED,
  "plugins/notes/run.ts": empty,
};

function createRunner(folder: TestFolder, url = "sqlite:data/app.db") {
  return (...args: string[]): Promise<Finished> => xcore(folder, args, { env: { DATABASE_URL: url } });
}

testOnEachDialect("db seed runs a plugin's seed.ts once for a database", async ({ url, driver }) => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder, url);
  await run("db", "generate", "notes");
  const seeded = await run("db", "seed");
  expect(seeded).toMatchObject({ code: 0, stderr: expect.stringContaining("notes: seeding") });
  expect(seeded.stdout).toContain("applied notes 0000_create_notes_notes");
  expect(seeded.stdout).toContain("seeded notes");
  const titles = sql`select title from notes_notes order by id`;
  const rows = [{ title: "one" }, { title: "two" }, { title: "0 users" }];
  expect(await driver.toDatabase({}).execute(titles)).toEqual(rows);
  expect((await run("db", "seed", "notes")).stdout).toMatch(/notes was seeded at 20\d\d-/);
  expect(await driver.toDatabase({}).execute(titles)).toEqual(rows);

  // What fails is undone, --again too.
  const again = await run("db", "seed", "notes", "--again");
  expect(again).toMatchObject({ code: 1, stdout: "" });
  expect(again.stderr).toContain('Cannot seed "notes": plugins/notes/seed.ts: ');
  expect(again.stderr).toContain("nothing of it was kept");
  expect(again.stderr).toContain("Cannot seed notes: see above");
  expect(await driver.toDatabase({}).execute(titles)).toEqual(rows);
  expect((await run("db", "seed", "notes")).stdout).toContain("was seeded at");
  await driver.toDatabase({}).execute(sql`delete from notes_notes`);
  expect((await run("db", "seed", "notes", "--again")).stdout).toContain("seeded notes");
  expect(await driver.toDatabase({}).execute(titles)).toEqual(rows);
  // Its tables gone, it may be seeded anew.
  await run("plugin", "remove", "notes", "--purge", "--yes");
  await folder.write(FILES);
  await run("db", "generate", "notes");
  expect((await run("db", "seed")).stdout).toContain("seeded notes");
});

testOnEachDialect(
  "what a seed.ts wrote before it fails isn't kept, and it is run again",
  async ({ url, driver }) => {
    await using folder = await TestFolder.create({
      ...FILES,
      "plugins/notes/seed.ts": SEED.replace('log.warn("seeding");', 'throw new Error("no luck");'),
    });
    const run = createRunner(folder, url);
    await run("db", "generate", "notes");
    const failed = await run("db", "seed");
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("plugins/notes/seed.ts:9: Error: no luck; nothing of it was kept");
    expect(await driver.toDatabase({}).execute(sql`select * from notes_notes`)).toEqual([]);
    await folder.write({ "plugins/notes/seed.ts": SEED });
    expect((await run("db", "seed")).stdout).toContain("seeded notes");
  },
);

testOnEachDialect("seeds that are run at once run once", async ({ url, driver }) => {
  await using folder = await TestFolder.create(FILES);
  const run = createRunner(folder, url);
  await run("db", "generate", "notes");
  await run("db", "migrate");
  const done = await Promise.all([1, 2, 3].map(() => run("db", "seed")));
  expect(done.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(done.filter(({ stdout }) => stdout.includes("seeded notes"))).toHaveLength(1);
  expect(await driver.toDatabase({}).execute(sql`select title from notes_notes`)).toHaveLength(3);
});

/** A plugin with a table of labels, each of a note of the other plugin. */
const LABELS = {
  "plugins/labels/plugin.json": { name: "labels", version: "1.0.0", dependencies: ["notes"] },
  "plugins/labels/schema.ts": `import { id, references, table } from "xcore/schema";
import { notes } from "plugin:notes";
export const labels = table("labels_labels", { id: id(), note_id: references(() => notes.id).notNull() });\n`,
  "plugins/labels/seed.ts": `import { db } from "xcore";
import { notes } from "plugin:notes";
import { labels } from "./schema.ts";
export default async () => {
  const [first] = await db.select().from(notes);
  await db.insert(labels).values({ note_id: first!.id });
};\n`,
  "plugins/labels/run.ts": empty,
};

test("seeds follow the order of dependencies, and stop at one that fails", async () => {
  await using folder = await TestFolder.create({ ...FILES, ...LABELS });
  const run = createRunner(folder);
  await run("db", "generate", "notes");
  await run("db", "generate", "labels");
  await folder.write({ "plugins/notes/titles.ts": 'export const titles = ["one", "one"];\n' });
  const failed = await run("db", "seed");
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('Left out "labels": it needs "notes", which failed');
  await folder.write(FILES);
  const { stdout } = await run("db", "seed", "labels");
  expect(stdout).toMatch(/seeded notes\n(?:.*\n)*seeded labels/);
});

test.each([
  ["export const nothing = 1;\n", 'Cannot seed "notes": plugins/notes/seed.ts: It exports no function'],
  [
    'import { db } from "xcore";\nexport const row = db.$count;\nawait db.$count;\n',
    'Cannot seed "notes": plugins/notes/seed.ts',
  ],
  ['import { hooks } from "xcore";\nhooks.on("x", () => {});\n', 'doesn\'t export "hooks": it exports db'],
  [
    'import { db } from "xcore";\nimport { notes } from "./schema.ts";\nvoid db.select().from(notes);\nexport default () => {};\n',
    "seed.ts:3: TypeError: Cannot use db at the top level of a seed",
  ],
])("a seed.ts that can't be run says why: %p", async (seed, message) => {
  await using folder = await TestFolder.create({ ...FILES, "plugins/notes/seed.ts": seed });
  const run = createRunner(folder);
  await run("db", "generate", "notes");
  const { code, stderr } = await run("db", "seed");
  expect(code).toBe(1);
  expect(stderr).toContain(message);
  expect(stderr).not.toMatch(/^ +at /m);
});

test("db seed refuses tables that aren't up to date, and says what there is to seed", async () => {
  await using folder = await TestFolder.create({
    ...FILES,
    "config.json": { database: { auto_migrate: false } },
  });
  const run = createRunner(folder);
  expect((await run("db", "seed")).stderr).toContain("schema.ts is ahead of its migrations");
  await run("db", "generate", "notes");
  expect((await run("db", "seed")).stderr).toContain('run "xcore db migrate"');
  await run("db", "migrate");
  expect((await run("db", "seed")).stdout).toContain("seeded notes");
  await folder.remove("plugins/notes/seed.ts");
  expect((await run("db", "seed")).stdout).toContain("Nothing to seed");
  expect(await run("db", "seed", "--again")).toMatchObject({ code: 2 });
  expect((await run("db", "seed", "nowhere")).stderr).toContain('Cannot find plugin "nowhere"');
});
