import { and, asc, type SQL, sql } from "drizzle-orm";
import { expect } from "bun:test";
import { DIALECTS } from "../../../src/db/contract/driver.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { hasWord, mayHaveWords } from "../../../src/db/search/words.ts";
import { testWithServer } from "../../database-servers.ts";
import { MigrationProject } from "../migrations/migration-project.ts";
import { TABLE_MAKERS } from "../table-makers.ts";
import { BackupTest } from "./backup-project.ts";

for (const dialect of DIALECTS) {
  testWithServer(dialect, `an index of words comes back with its table (${dialect})`, 120_000, async () => {
    await using project = await BackupTest.create(dialect);
    const { table, id, text, searchIndex } = createSchemaModule(TABLE_MAKERS[dialect]);
    const notes = table("notes", { id: id(), body: text() }, (t) => [searchIndex("notes_search").on(t.body)]);
    const driver = await project.open();
    await new MigrationProject({ dialect, driver, folder: project.folder, url: "" }).change((schema) => ({
      notes: schema.table("notes", { id: schema.id(), body: schema.text() }, (t) => [
        schema.searchIndex("notes_search").on(t.body),
      ]),
    }));
    const find = async (word: string): Promise<number[]> => {
      const where: SQL | undefined = and(mayHaveWords(notes, [word]), hasWord([notes.body], word));
      const rows = await (await project.db()).select().from(notes).where(where).orderBy(asc(notes.id));
      return rows.map((row) => row.id);
    };
    await driver
      .toDatabase({})
      .insert(notes)
      .values([{ body: "École" }, { body: "to be" }, { body: null }]);
    await driver.toDatabase({}).execute(sql`delete from notes where id = 3`);
    const { file } = await project.backup();
    await driver.toDatabase({}).update(notes).set({ body: "later" });
    await project.restore(file);
    expect(await Promise.all(["ecole", "be", "later"].map(find))).toEqual([[1], [2], []]);
    const db = await project.db();
    await db.insert(notes).values({ body: "ecology" });
    await db
      .update(notes)
      .set({ body: "boat" })
      .where(sql`id = 1`);
    expect(await Promise.all(["ecol", "boat"].map(find))).toEqual([[4], [1]]);
  });
}
