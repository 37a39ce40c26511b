import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isEndless } from "../../files/text.ts";
import { sha256 } from "../../files/sha256.ts";
import type { Dialect } from "../contract/driver.ts";
import { InvalidMigrationError } from "./error.ts";

/** One file of SQL that is applied once. */
export interface Migration {
  /** The file's name without its ending, such as "0000_create_articles". */
  readonly name: string;
  readonly file: string;
  /** SHA-256 of the text, in hexadecimal; line ends don't count. */
  readonly hash: string;
  readonly statements: readonly string[];
  /** Whether it isn't to be applied yet, and neither is what follows it. */
  readonly isDraft: boolean;
}

/** What stands between two statements, as in drizzle's own files. */
export const BREAKPOINT = "--> statement-breakpoint";

/** What a file begins with that isn't to be applied while the line is there. */
export const DRAFT_LINE = "-- draft: not applied while this line is here\n";
const DRAFT = /^\s*--[ \t]*draft\b[^\n]*\n?/i;

const FILE_NAME = /^(\d{4})_[a-z0-9_]{1,60}\.sql$/;
const COMMENTS = /--[^\n]*|\/\*[\s\S]*?\*\//g;

/**
 * Reads the migrations for one dialect, in the order of their numbers. A folder that isn't there has none.
 *
 * @param folder the `drizzle` folder, with a folder for each dialect
 * @throws InvalidMigrationError naming the file: two with one number, one missing between two, a name that isn't one of a
 * migration, text that isn't UTF-8, what is no file
 */
export async function readMigrations(folder: string, dialect: Dialect): Promise<Migration[]> {
  const directory = join(folder, dialect);
  const names = await listMigrationFiles(directory);
  const contents = await Promise.all(names.map((name) => readMigrationFile(join(directory, name))));
  return parseMigrations(
    directory,
    new Map(names.map((name, index) => [name, contents[index] ?? Buffer.of()])),
  );
}

/**
 * Makes the migrations of a folder's files, in the order of their numbers; those that don't end in `.sql` are none.
 *
 * @param directory what errors call the folder
 * @param contents by the names of the files
 * @throws InvalidMigrationError as `readMigrations` does
 */
export function parseMigrations(directory: string, contents: ReadonlyMap<string, Uint8Array>): Migration[] {
  const files = [...contents]
    .filter(([name]) => name.endsWith(".sql"))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  assertNumbered(
    directory,
    files.map(([name]) => name),
  );
  return files.map(([name, content]) => parseMigration(join(directory, name), name, content));
}

/** Makes a migration of a file's content. @throws InvalidMigrationError where it isn't UTF-8 */
export function parseMigration(file: string, fileName: string, content: Uint8Array): Migration {
  const text = decode(file, content).replaceAll("\r\n", "\n");
  const statements = text
    .split(BREAKPOINT)
    .map((statement) => statement.trim())
    .filter((statement) => statement.replaceAll(COMMENTS, "").trim() !== "");
  const isDraft = DRAFT.test(text);
  return { name: fileName.slice(0, -".sql".length), file, hash: sha256(text), statements, isDraft };
}

/** Returns those that come before the first draft. */
export function withoutDrafts(migrations: readonly Migration[]): readonly Migration[] {
  const first = migrations.findIndex(({ isDraft }) => isDraft);
  return first === -1 ? migrations : migrations.slice(0, first);
}

/** Returns the text of a migration without the line that makes it a draft. */
export function withoutDraftLine(text: string): string {
  return text.replace(DRAFT, "");
}

/** Names of a dialect's migration files, checked and in order. */
export async function listMigrationFiles(directory: string): Promise<string[]> {
  const names = (await listFolder(directory)).filter((name) => name.endsWith(".sql")).toSorted();
  assertNumbered(directory, names);
  return names;
}

/** Throws unless the files are numbered 0000, 0001, … without a gap. */
function assertNumbered(directory: string, names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    const match = FILE_NAME.exec(name);
    const show = JSON.stringify(join(directory, name));
    if (match === null) {
      throw new InvalidMigrationError(
        `Cannot read migration ${show}: its name must be four digits, "_" and up to 60 of a-z, 0-9 and "_"`,
      );
    }
    const number = Number(match[1]);
    const before = names[index - 1];
    if (before !== undefined && before.slice(0, 4) === match[1]) {
      throw new InvalidMigrationError(
        `Cannot read migration ${show}: "${before}" has the same number; give the later one the next`,
      );
    }
    if (number !== index) {
      const missing = String(index).padStart(4, "0");
      throw new InvalidMigrationError(
        `Cannot read migration ${show}: number ${missing} is missing before it`,
      );
    }
  }
}

async function readMigrationFile(file: string): Promise<Uint8Array> {
  if (!isEndless(file)) return readFile(file);
  throw new InvalidMigrationError(
    `Cannot read migration ${JSON.stringify(file)}: it is a pipe or a device; put a file in its place`,
  );
}

async function listFolder(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

function decode(file: string, content: Uint8Array): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(content);
    // SQLite would take NUL for the end, and leave out what follows.
    if (!text.includes("\0")) return text;
  } catch {
    // Not UTF-8.
  }
  throw new InvalidMigrationError(`Cannot read migration ${JSON.stringify(file)}: it isn't UTF-8 text`);
}
