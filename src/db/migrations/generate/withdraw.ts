import { readdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isFault } from "../../contract/database-error.ts";
import { type Dialect, DIALECTS, type Driver, type MigrationConnection } from "../../contract/driver.ts";
import { replaceFile } from "../../../files/replace.ts";
import { InvalidMigrationError } from "../error.ts";
import { type Migration, parseMigration } from "../files.ts";
import { journalFile, readJournal } from "./migration-folder.ts";
import { Ledger, type LedgerEntry, readLedger } from "../ledger.ts";
import { countStatements, hasBegun, hashStatements, isUnchanged } from "../pending.ts";
import { toReversal } from "../reversal.ts";
import { findTableEffects } from "../statements.ts";

/** Migrations that a database hasn't applied, to be shown and then withdrawn. */
export interface Withdrawal {
  readonly names: readonly string[];
  /** Those of them that somebody has written or edited by hand. */
  readonly edited: readonly string[];
  /** Statements that take back what has taken effect of them, on a database that keeps part of one that failed. */
  readonly takenBack: readonly string[];
  /**
   * Runs those, and deletes their files for every dialect, with their snapshots and their entries in the journals.
   *
   * @throws InvalidMigrationError when one has been applied meanwhile: then nothing is deleted
   */
  readonly run: () => Promise<void>;
}

export interface WithdrawOptions {
  /** The plugin that the migrations belong to, or "core". */
  readonly owner: string;
  /** The `drizzle` folder, with a folder for each dialect. */
  readonly folder: string;
}

const SQL_FILE = /^\d{4}_.*\.sql$/;
const EDITED_AFTER_MS = 5000;

/**
 * Finds what a database hasn't applied, drafts too; the folder may be in any disorder.
 *
 * @throws InvalidMigrationError for one that took effect in part and can't be taken back without loss, or that comes
 * before one that was applied
 */
export async function planWithdrawal(
  driver: Driver,
  { owner, folder }: WithdrawOptions,
): Promise<Withdrawal> {
  const files = await listFiles(folder);
  const entries = await readLedger(driver, owner);
  const names = findUnapplied(files, entries);
  const parts = await findParts(entries, { names, directory: join(folder, driver.dialect) });
  const edited: string[] = [];
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop -- a few small files
    if (await isEdited(folder, name, files)) edited.push(name);
  }
  return {
    names,
    edited,
    takenBack: parts.flatMap(({ reversed }) => reversed.filter((back) => back !== null).toReversed()),
    run: () =>
      driver.migrate(async (connection) => {
        const ledger = await Ledger.open(connection, driver.dialect);
        const still = findUnapplied(files, await ledger.read(owner));
        const gone = names.find((name) => !still.includes(name));
        if (gone !== undefined) {
          throw new InvalidMigrationError(`Cannot withdraw "${gone}": it has just been applied`);
        }
        for (const part of parts.toReversed()) {
          // oxlint-disable-next-line no-await-in-loop -- one connection
          await takeBack(part, { connection, ledger, owner });
        }
        await deleteMigrations(folder, files, names);
        await connection.transaction(() => ledger.forgetMigrations(owner, names));
      }),
  };
}

type Files = Readonly<Record<Dialect, readonly string[]>>;

async function listFiles(folder: string): Promise<Files> {
  const [sqlite = [], postgres = [], mysql = []] = await Promise.all(
    DIALECTS.map(async (dialect) => {
      const names = await readdir(join(folder, dialect)).catch(() => []);
      return names.filter((name) => SQL_FILE.test(name)).map((name) => name.slice(0, -".sql".length));
    }),
  );
  return { sqlite, postgres, mysql };
}

function findUnapplied(files: Files, entries: readonly LedgerEntry[]): string[] {
  const names = [...new Set(DIALECTS.flatMap((dialect) => files[dialect]))].toSorted();
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const applied = names.filter((name) => byName.get(name)?.appliedAt instanceof Date);
  const lastApplied = applied.at(-1);
  const unapplied = names.filter((name) => !applied.includes(name));
  for (const name of unapplied) {
    const isBetween = lastApplied !== undefined && name < lastApplied;
    if (!isBetween || applied.some((other) => other.slice(0, 4) === name.slice(0, 4))) continue;
    throw new InvalidMigrationError(
      `Cannot withdraw "${name}": "${lastApplied}", which follows it, has been applied`,
    );
  }
  return unapplied;
}

/** What a migration that failed has left in a database. */
interface Part {
  readonly migration: Migration;
  /** Statements that take back those that took effect, in the same order; null where there is nothing to take back. */
  readonly reversed: readonly (string | null)[];
}

/** @throws InvalidMigrationError for what can't be taken back without loss */
async function findParts(
  entries: readonly LedgerEntry[],
  { names, directory }: { readonly names: readonly string[]; readonly directory: string },
): Promise<Part[]> {
  const begun = entries.filter((entry) => names.includes(entry.name) && hasBegun(entry));
  return Promise.all(
    begun.map(async (entry) => {
      const { name, statements: count, before } = entry;
      const file = `${name}.sql`;
      const content = await readFile(join(directory, file)).catch(() => Buffer.of());
      const migration = parseMigration(join(directory, file), file, content);
      const took = `its first ${countStatements(count)} took effect`;
      const refuse = (reason: string): never => {
        throw new InvalidMigrationError(`Cannot withdraw "${name}": ${reason}`);
      };
      if (before !== null) {
        refuse("its process ended within a statement; run xcore db migrate, which finds out how far it got");
      }
      if (!isUnchanged(migration, entry)) refuse(`${took} and differ from the file now; restore them`);
      const { lost, statements: reversed } = toReversal(migration.statements.slice(0, count));
      if (lost !== null) {
        refuse(
          `${took}, and no. ${lost} can't be undone on this database; correct what follows them instead`,
        );
      }
      return { migration, reversed };
    }),
  );
}

/** Takes statements back, the last one first, so that a process killed at any moment can be followed by another. */
async function takeBack(
  { migration: { name, statements }, reversed }: Part,
  {
    connection,
    ledger,
    owner,
  }: { readonly connection: MigrationConnection; readonly ledger: Ledger; readonly owner: string },
): Promise<void> {
  for (let count = reversed.length - 1; count >= 0; count--) {
    const back = reversed[count] ?? null;
    // oxlint-disable-next-line no-await-in-loop -- each goes on from the one before it
    if (back !== null) await connection.run(back).catch(throwUnlessGone);
    const hash = hashStatements(statements.slice(0, count));
    // oxlint-disable-next-line no-await-in-loop
    await connection.transaction(async () => {
      await ledger.moveTables(owner, findTableEffects(back ?? ""));
      await ledger.write(owner, { name, hash, statements: count, before: null, appliedAt: null });
    });
  }
}

/** What isn't there was taken back by a process that was killed before it could note that. */
function throwUnlessGone(error: unknown): void {
  const isGone = isFault(error, "missing_table") || isFault(error, "missing_column");
  if (!isGone && !(error instanceof Error && /\bCan't DROP\b/.test(error.message))) throw error;
}

/** Whether one of its files was written after the journal noted it, or the journal doesn't know it. */
async function isEdited(folder: string, name: string, files: Files): Promise<boolean> {
  for (const dialect of DIALECTS) {
    if (!files[dialect].includes(name)) continue;
    // oxlint-disable-next-line no-await-in-loop -- the first that tells is enough
    const journal = await readJournal(journalFile(folder, dialect));
    const when = journal?.entries.find(({ tag }) => tag === name)?.when;
    // oxlint-disable-next-line no-await-in-loop
    const { mtimeMs } = await stat(join(folder, dialect, `${name}.sql`));
    if (when === undefined || mtimeMs > when + EDITED_AFTER_MS) return true;
  }
  return false;
}

async function deleteMigrations(folder: string, files: Files, names: readonly string[]): Promise<void> {
  for (const dialect of DIALECTS) {
    const directory = join(folder, dialect);
    const kept = files[dialect].filter((name) => !names.includes(name));
    const journal = await readJournal(journalFile(folder, dialect));
    if (journal !== null) {
      const entries = journal.entries.filter(({ tag }) => !names.includes(tag));
      const text = `${JSON.stringify({ ...journal, entries }, null, 2)}\n`;
      await (entries.length === 0
        ? rm(journalFile(folder, dialect))
        : replaceFile(journalFile(folder, dialect), () => text));
    }
    // The last one first: at no time is one missing before another.
    for (const name of names.toReversed()) {
      await rm(join(directory, `${name}.sql`), { force: true });
      const number = name.slice(0, 4);
      const isShared = kept.some((other) => other.startsWith(number));
      if (!isShared) await rm(join(directory, "meta", `${number}_snapshot.json`), { force: true });
    }
    for (const empty of [join(directory, "meta"), directory]) await rmdir(empty).catch(() => {});
  }
  await rmdir(folder).catch(() => {});
}
