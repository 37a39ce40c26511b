import { join } from "node:path";
import { expect, test } from "bun:test";
import { readMigrations } from "../../../src/db/migrations/files.ts";
import { TestFolder } from "../../setup.ts";
import { failureOf } from "./migration-project.ts";

const FAULTS: Readonly<Record<string, readonly [files: readonly string[], message: string]>> = {
  "a gap": [
    ["0000_a.sql", "0002_b.sql"],
    'Cannot read migration "0002_b.sql": number 0001 is missing before it',
  ],
  "a duplicate": [
    ["0000_a.sql", "0001_b.sql", "0001_c.sql"],
    'Cannot read migration "0001_c.sql": "0001_b.sql" has the same number; give the later one the next',
  ],
  "a strange name": [
    ["0000_a.sql", "notes.sql"],
    'Cannot read migration "notes.sql": its name must be four digits, "_" and up to 60 of a-z, 0-9 and "_"',
  ],
};

for (const [fault, [names, message]] of Object.entries(FAULTS)) {
  test(`readMigrations() throws for ${fault}`, async () => {
    await using folder = await TestFolder.create(
      Object.fromEntries(names.map((name) => [`sqlite/${name}`, "select 1"])),
    );
    const shown = message.replace(/"(?=\d|notes)/, `"${join(folder.path, "sqlite")}/`);
    expect(await failureOf(readMigrations(folder.path, "sqlite"))).toContain(shown);
  });
}

test("readMigrations() reads statements in order, and other files not at all", async () => {
  await using folder = await TestFolder.create({
    "sqlite/0001_b.sql": "-- only a comment",
    "sqlite/0000_a.sql":
      "\uFEFFcreate table a (id);--> statement-breakpoint\n\n--> statement-breakpoint\nselect 'ü';\n",
    "sqlite/meta/_journal.json": {},
    "sqlite/README.md": "notes",
  });
  const migrations = await readMigrations(folder.path, "sqlite");
  expect(migrations.map(({ name, statements }) => ({ name, statements }))).toEqual([
    { name: "0000_a", statements: ["create table a (id);", "select 'ü';"] },
    { name: "0001_b", statements: [] },
  ]);
  expect(migrations[0]?.hash).toMatch(/^[0-9a-f]{64}$/);
});

test("readMigrations() returns nothing when the folder is missing", async () => {
  expect(await readMigrations("/nowhere/drizzle", "postgres")).toEqual([]);
});

test("readMigrations() throws for what isn't UTF-8 text", async () => {
  await using folder = await TestFolder.create({ "mysql/0000_a.sql": "" });
  const file = join(folder.path, "mysql/0000_a.sql");
  for (const content of [Uint8Array.of(0x73, 0xe9, 0x27), "select 1;\0select 2;"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await Bun.write(file, content);
    // oxlint-disable-next-line no-await-in-loop
    expect(await failureOf(readMigrations(folder.path, "mysql"))).toContain(
      `Cannot read migration "${file}": it isn't UTF-8 text`,
    );
  }
});
