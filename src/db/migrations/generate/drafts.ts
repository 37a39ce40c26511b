import { join } from "node:path";
import { DIALECTS } from "../../contract/driver.ts";
import { InvalidMigrationError } from "../error.ts";
import { type Migration, readMigrations, withoutDraftLine } from "../files.ts";
import { journalFile, readJournal, writeAll } from "./migration-folder.ts";

/**
 * Makes the drafts of a folder real, as they stand; returns their names.
 *
 * @throws InvalidMigrationError for one that nothing has been written in
 */
export async function releaseDrafts(folder: string): Promise<string[]> {
  const all = await Promise.all(DIALECTS.map((dialect) => readMigrations(folder, dialect)));
  const drafts = all.flat().filter(({ isDraft }) => isDraft);
  if (drafts.length === 0) return [];
  const names = [...new Set(drafts.map(({ name }) => name))].toSorted();
  for (const name of names) assertWritten(name, all);
  const files = new Map<string, string>();
  for (const { file } of drafts) {
    // oxlint-disable-next-line no-await-in-loop -- a few small files
    files.set(file, withoutDraftLine(await Bun.file(file).text()));
  }
  const journals = await Promise.all(
    DIALECTS.map(async (dialect): Promise<[string, string][]> => {
      const file = journalFile(folder, dialect);
      const journal = await readJournal(file);
      if (journal === null) return [];
      for (const entry of journal.entries) if (names.includes(entry.tag)) entry.when = Date.now();
      return [[file, `${JSON.stringify(journal, null, 2)}\n`]];
    }),
  );
  await writeAll(files, new Map(journals.flat()));
  return names;
}

function assertWritten(name: string, all: readonly (readonly Migration[])[]): void {
  const isWritten = all.flat().some((one) => one.name === name && one.statements.length > 0);
  if (isWritten) return;
  const files = join("drizzle", "*", `${name}.sql`);
  throw new InvalidMigrationError(
    `Cannot make the draft "${name}" real: nothing is written in ${files}; write it, or withdraw it with --undo`,
  );
}
