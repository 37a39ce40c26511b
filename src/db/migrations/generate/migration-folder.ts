import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Dialect, DIALECTS } from "../../contract/driver.ts";
import { BREAKPOINT, DRAFT_LINE, listMigrationFiles } from "../files.ts";
import type { Snapshot } from "./snapshot.ts";
import { InvalidMigrationError } from "../error.ts";

/** What a `drizzle` folder holds already. */
export interface MigrationFolder {
  /** Four digits. */
  readonly nextNumber: string;
  /** The schema after the last migration; null without one. */
  readonly snapshots: Readonly<Record<Dialect, Snapshot | null>>;
}

const EMPTY_HINT = "Write the statements below; docs/database.md says what stands between two of them.";

interface WrittenMigration {
  readonly name: string;
  readonly statements: Readonly<Record<Dialect, readonly string[]>>;
  readonly snapshots: Readonly<Record<Dialect, Snapshot>>;
  readonly isDraft: boolean;
}

/** Reads the state that the migrations lead to. @throws InvalidMigrationError when the dialects don't have the same ones */
export async function readMigrationFolder(folder: string): Promise<MigrationFolder> {
  const [sqlite, postgres, mysql] = await Promise.all(
    DIALECTS.map((dialect) => listMigrationFiles(join(folder, dialect))),
  );
  const names = new Set([sqlite, postgres, mysql].flatMap((files) => files ?? []));
  for (const [dialect, files = []] of [
    ["sqlite", sqlite],
    ["postgres", postgres],
    ["mysql", mysql],
  ] as const) {
    const missing = [...names].find((name) => !files.includes(name));
    if (missing === undefined) continue;
    throw new InvalidMigrationError(
      `Cannot generate a migration: "${missing}" is missing in "${join(folder, dialect)}"; each dialect needs every migration: write it there too, as a comment alone ("-- nothing to do") where it does nothing`,
    );
  }
  const snapshots = await Promise.all(
    DIALECTS.map((dialect) => readLastSnapshot(join(folder, dialect, "meta"), names.size)),
  );
  const [first = null, second = null, third = null] = snapshots;
  return {
    nextNumber: String(names.size).padStart(4, "0"),
    snapshots: { sqlite: first, postgres: second, mysql: third },
  };
}

/** Writes the files of all dialects, or none of them; returns their paths. */
export async function writeMigration(folder: string, migration: WrittenMigration): Promise<string[]> {
  const files = new Map<string, string>();
  for (const dialect of DIALECTS) {
    const number = migration.name.slice(0, 4);
    const directory = join(folder, dialect);
    const snapshot = migration.snapshots[dialect];
    files.set(join(directory, "meta", `${number}_snapshot.json`), `${JSON.stringify(snapshot, null, 2)}\n`);
    files.set(join(directory, `${migration.name}.sql`), toText(migration, dialect));
  }
  const journals = await Promise.all(DIALECTS.map((dialect) => toJournal(folder, dialect, migration)));
  await writeAll(files, new Map(journals));
  return [...files.keys()];
}

/** @param count of migrations: a snapshot beyond them was left by one that was taken back */
async function readLastSnapshot(directory: string, count: number): Promise<Snapshot | null> {
  const files = await readdir(directory).catch(() => []);
  const names = files.filter((name) => Number(/^(\d{4})_snapshot\.json$/.exec(name)?.[1] ?? count) < count);
  const last = names.toSorted().at(-1);
  if (last === undefined) return null;
  const file = join(directory, last);
  try {
    return (await Bun.file(file).json()) as Snapshot;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidMigrationError(`Cannot read the snapshot "${file}": ${reason}`, { cause: error });
  }
}

function toText({ statements: all, isDraft }: WrittenMigration, dialect: Dialect): string {
  const statements = all[dialect];
  const start = isDraft ? DRAFT_LINE : "";
  if (statements.length > 0) return `${start}${statements.join(`;\n${BREAKPOINT}\n`)};\n`;
  const isByHand = DIALECTS.every((one) => all[one].length === 0);
  return `${start}-- ${isByHand ? EMPTY_HINT : "Nothing changes on this database."}\n`;
}

export interface Journal {
  version: string;
  dialect: string;
  entries: { idx: number; version: string; when: number; tag: string; breakpoints: boolean }[];
}

/** The list that drizzle-kit keeps; xcore itself reads the files. */
async function toJournal(
  folder: string,
  dialect: Dialect,
  { name, snapshots }: WrittenMigration,
): Promise<[file: string, text: string]> {
  const file = journalFile(folder, dialect);
  const { version, dialect: kitDialect } = snapshots[dialect];
  const journal = (await readJournal(file)) ?? { version: "7", dialect: kitDialect, entries: [] };
  const idx = Number(name.slice(0, 4));
  const entry = { idx, version, when: Date.now(), tag: name, breakpoints: true };
  journal.entries = [...journal.entries.filter((one) => one.idx < idx), entry];
  return [file, `${JSON.stringify(journal, null, 2)}\n`];
}

/** Returns where the journal of a dialect stands. */
export function journalFile(folder: string, dialect: Dialect): string {
  return join(folder, dialect, "meta", "_journal.json");
}

/** Reads a journal; null where there is none. */
export async function readJournal(file: string): Promise<Journal | null> {
  return (await Bun.file(file).exists()) ? ((await Bun.file(file).json()) as Journal) : null;
}

/** Whatever can go wrong (a full disk, a right that is missing) does so while only temporary files are there. */
export async function writeAll(
  files: ReadonlyMap<string, string>,
  journals: ReadonlyMap<string, string>,
): Promise<void> {
  const all = [...files, ...journals];
  const moved: string[] = [];
  try {
    await Promise.all(
      all.map(async ([file, text]) => {
        await mkdir(dirname(file), { recursive: true });
        await writeFile(`${file}.saving~`, text);
      }),
    );
    for (const [file] of all) {
      // oxlint-disable-next-line no-await-in-loop -- in order, the journals last
      await rename(`${file}.saving~`, file);
      if (files.has(file)) moved.push(file);
    }
  } catch (error) {
    const left = [...all.map(([file]) => `${file}.saving~`), ...moved];
    await Promise.all(left.map((file) => rm(file, { force: true })));
    throw error;
  }
}
