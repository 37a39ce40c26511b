import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { integer, pgTable, pgView } from "drizzle-orm/pg-core";
import { coreMigrations } from "../../../src/db/migrations/core.ts";
import { generateMigration, type GenerateOptions } from "../../../src/db/migrations/generate/generate.ts";
import { parseRename } from "../../../src/db/migrations/generate/renames.ts";
import { readMigrations } from "../../../src/db/migrations/files.ts";
import { type Dialect, DIALECTS } from "../../../src/db/contract/driver.ts";
import { createCoreSchema, createSchemaModule } from "../../../src/db/schema/schema.ts";
import { TestFolder } from "../../setup.ts";
import { failureOf } from "./migration-project.ts";
import type { Declare } from "./migration-project.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

const PROJECT = join(import.meta.dir, "../../..");

const notes: Declare = ({ table, id, text }) => ({ notes: table("notes", { id: id(), body: text() }) });

function generate(folder: string, declare: Declare, options: Partial<GenerateOptions> = {}) {
  const schemaFor: GenerateOptions["schemaFor"] = async (dialect) =>
    declare(createSchemaModule(TABLE_MAKERS[dialect]));
  return generateMigration({ folder, schemaFor, ...options });
}

async function listFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => /\.\w+~?$/.test(name)).toSorted();
}

test("generateMigration() writes the files of every dialect, in drizzle-kit's shape", async () => {
  await using folder = await TestFolder.create();
  const migration = await generate(folder.path, notes);
  expect(await listFiles(folder.path)).toEqual([]);
  const written = await migration?.write();
  expect(written).toHaveLength(6);
  expect(await listFiles(folder.path)).toEqual(
    DIALECTS.flatMap((dialect) => [
      `${dialect}/0000_create_notes.sql`,
      `${dialect}/meta/0000_snapshot.json`,
      `${dialect}/meta/_journal.json`,
    ]).toSorted(),
  );
  const journal: unknown = await Bun.file(join(folder.path, "postgres/meta/_journal.json")).json();
  expect(journal).toMatchObject({
    version: "7",
    dialect: "postgresql",
    entries: [{ idx: 0, version: "7", tag: "0000_create_notes", breakpoints: true }],
  });
  for (const dialect of DIALECTS) {
    // oxlint-disable-next-line no-await-in-loop
    const [read] = await readMigrations(folder.path, dialect);
    expect(read?.statements.map((statement) => statement.replace(/;$/, ""))).toEqual([
      ...(migration?.statements[dialect] ?? []),
    ]);
  }
  expect(await generate(folder.path, notes)).toBeNull();
});

const declareLong: Declare = ({ table, id }) => ({
  a: table("a".repeat(50), { id: id() }),
  b: table("b", { id: id() }),
});

test("generateMigration() names a migration after what changes, or as it is told", async () => {
  await using folder = await TestFolder.create();
  const first = await generate(folder.path, declareLong);
  expect(first?.name).toBe(`0000_create_${"a".repeat(44)}_and_more`);
  expect((await generate(folder.path, declareLong, { name: "start" }))?.name).toBe("0000_start");
  for (const name of ["", "Start", "a-b", "../x", "a".repeat(61)]) {
    // oxlint-disable-next-line no-await-in-loop
    expect(await failureOf(generate(folder.path, declareLong, { name }))).toContain(
      `Cannot name a migration "${name}"`,
    );
  }
});

const RENAME_FAULTS: Readonly<Record<string, string>> = {
  "nothing=other": 'Cannot rename "nothing" to "other": it isn\'t in the last migration',
  "notes.nothing=body": 'Cannot rename "notes.nothing" to "body": it isn\'t in the last migration',
  "notes.body=id": 'Cannot rename "notes.body" to "id": there is one already',
  "notes.body=text": 'Cannot rename "notes.body" to "text": the schema has no "text"',
  "notes=memos": 'Cannot rename "notes" to "memos": the schema has no "memos"',
};

test("generateMigration() throws for renames that don't fit", async () => {
  await using folder = await TestFolder.create();
  await (await generate(folder.path, notes))?.write();
  for (const [text, message] of Object.entries(RENAME_FAULTS)) {
    const renames = [parseRename(text)];
    // oxlint-disable-next-line no-await-in-loop
    expect(await failureOf(generate(folder.path, notes, { renames }))).toContain(message);
  }
  for (const text of ["", "a", "a=", "=b", "a.b.c=d", "a=b.c", "A=b", "a=b;drop"]) {
    expect(() => parseRename(text)).toThrow(`Cannot rename "${text}"`);
  }
});

test("generateMigration() throws when the dialects aren't in step", async () => {
  await using folder = await TestFolder.create();
  await (await generate(folder.path, notes))?.write();
  await folder.remove("mysql/0000_create_notes.sql");
  expect(await failureOf(generate(folder.path, notes))).toContain(
    `Cannot generate a migration: "0000_create_notes.sql" is missing in "${join(folder.path, "mysql")}"; each dialect needs every migration: write it there too, as a comment alone ("-- nothing to do") where it does nothing`,
  );
});

test("generateMigration() throws for a snapshot that can't be read", async () => {
  await using folder = await TestFolder.create();
  await (await generate(folder.path, notes))?.write();
  await folder.write({ "sqlite/meta/0000_snapshot.json": "<<<<<<< HEAD" });
  expect(await failureOf(generate(folder.path, notes))).toContain("Cannot read the snapshot");
});

const declareEmpty: Declare = ({ table, id }) => ({ notes: table("notes", { id: id() }) });

test("generateMigration() forgets a migration whose files were deleted", async () => {
  await using folder = await TestFolder.create();
  await (await generate(folder.path, notes))?.write();
  await (await generate(folder.path, declareEmpty))?.write();
  for (const dialect of DIALECTS) {
    // oxlint-disable-next-line no-await-in-loop
    await folder.remove(`${dialect}/0001_alter_notes.sql`);
  }
  const again = await generate(folder.path, declareEmpty, { name: "again" });
  expect(again?.name).toBe("0001_again");
  await again?.write();
  const journal = (await Bun.file(join(folder.path, "mysql/meta/_journal.json")).json()) as {
    entries: object[];
  };
  expect(journal.entries).toMatchObject([{ tag: "0000_create_notes" }, { tag: "0001_again" }]);
});

test("generateMigration() throws for what isn't portable", async () => {
  await using folder = await TestFolder.create();
  const foreign = pgTable("t", { id: integer() });
  expect(await failureOf(generate(folder.path, () => ({ foreign })))).toContain(
    'Cannot generate a migration: the table "foreign", which isn\'t made with "xcore/schema", can\'t be had on every database',
  );
  const view = pgView("v").as((query) => query.select().from(foreign));
  expect(await failureOf(generate(folder.path, () => ({ view })))).toContain('the view "view" can\'t be had');
});

test("write() writes nothing when one file can't be written", async () => {
  await using folder = await TestFolder.create();
  await (await generate(folder.path, notes))?.write();
  const before = await listFiles(folder.path);
  const migration = await generate(folder.path, ({ table, id }) => ({ notes: table("notes", { id: id() }) }));
  // In the way of the last dialect's file; root isn't stopped by rights.
  await folder.write({ "mysql/0001_alter_notes.sql/in-the-way.txt": "" });
  await failureOf(migration?.write() ?? Promise.resolve());
  await folder.remove("mysql/0001_alter_notes.sql");
  expect(await listFiles(folder.path)).toEqual(before);
});

async function readCoreSchema(dialect: Dialect): Promise<Record<string, unknown>> {
  return createCoreSchema(TABLE_MAKERS[dialect]);
}

test("coreMigrations() holds what is in drizzle/, which is what the core's tables need", async () => {
  for (const dialect of DIALECTS) {
    // oxlint-disable-next-line no-await-in-loop
    const onDisk = await readMigrations(join(PROJECT, "drizzle"), dialect);
    const embedded = coreMigrations(dialect);
    expect(embedded.map(({ name, hash }) => ({ name, hash }))).toEqual(
      onDisk.map(({ name, hash }) => ({ name, hash })),
    );
    expect(embedded[0]?.file).toBe(`drizzle/${dialect}/0000_accounts.sql`);
  }
  const core = { folder: join(PROJECT, "drizzle"), schemaFor: readCoreSchema };
  expect(await generateMigration(core)).toBeNull();
});

const leadsNowhere: Declare = ({ table, id, references }) => ({
  notes: table("notes", { id: id(), author_id: references(() => undefined as never) }),
});

test("generateMigration() tells which table has a reference that leads nowhere", async () => {
  await using folder = await TestFolder.create();
  expect(await failureOf(generate(folder.path, leadsNowhere))).toContain(
    'Cannot generate a migration: a reference of table "notes" doesn\'t lead to a column',
  );
});
