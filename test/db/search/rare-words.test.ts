import { expect } from "bun:test";
import type { PgTable } from "drizzle-orm/pg-core";
import { sql } from "drizzle-orm";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { findRareWords } from "../../../src/db/search/rare-words.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { type Declare, MigrationProject } from "../migrations/migration-project.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

const declare: Declare = ({ table, id, text, searchIndex }) => ({
  notes: table("notes", { id: id(), title: text().notNull(), body: text() }, (t) => [
    searchIndex("notes_search").on(t.title, t.body),
  ]),
});

testOnEachDialect("an index looks for words that few rows have", async (context) => {
  await new MigrationProject(context).change(declare);
  const notes = declare(createSchemaModule(TABLE_MAKERS[context.dialect]))["notes"] as PgTable;
  const db = context.driver.toDatabase({});
  const add = (count: number, write: (at: number) => string) =>
    db.insert(notes).values(
      Array.from({ length: count }, (_, at) => ({
        title: write(at),
        body: at % 2 === 0 ? "École" : null,
      })) as never[],
    );
  const find = (...words: string[]) => findRareWords(db, notes, words);
  expect(await find("every", "last")).toEqual(["every", "last"]);
  await add(500, () => "in every row");
  // Of a few rows it doesn't matter.
  expect(await find("every", "last")).toEqual(["every", "last"]);
  await add(1000, () => "in every row");
  // What one file has brought isn't in all rows.
  await add(40, () => "in every row, and the last");
  expect(await find("every", "EV", "last", "none", "ecole", "+", "r")).toEqual(["last", "none"]);
  await db.delete(notes).where(sql`id between 2 and 1400`);
  // Too few are left to tell.
  expect(await find("every", "last")).toEqual(["every", "last"]);
});
