import { Database } from "bun:sqlite";
import { accessSync, closeSync, constants, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseError } from "../../contract/database-error.ts";
import type { Durability } from "../../contract/driver.ts";
import type { OnQuery } from "../../contract/statements.ts";
import type { WriteTracker } from "../../writes/feed.ts";
import { retryWhileBusy } from "./busy.ts";
import { SqliteConnection } from "./connection.ts";
import { toSqliteFault } from "./faults.ts";

/** The two connections of a database. */
export interface SqlitePool {
  /** May only read, and sees what is committed. */
  readonly reader: SqliteConnection;
  readonly writer: SqliteConnection;
  close(): void;
}

export interface SqlitePoolOptions {
  readonly file: string;
  readonly durability: Durability;
  readonly waitMs: number;
  readonly onQuery: OnQuery | null;
  /** Follows what is written. */
  readonly writes: WriteTracker;
}

// SQLite's own waiting blocks the event loop: after this time retryWhileBusy() waits.
const busyTimeoutMs = 2;
// A table of 100,000 rows fits in, and memory is only taken for pages that were read.
const cacheKib = 16_384;
/** Of all connections. */
const SHARED_PRAGMAS = [
  `pragma busy_timeout = ${busyTimeoutMs}`,
  // As on the other databases; an index serves "abc%" then, too.
  "pragma case_sensitive_like = on",
  `pragma cache_size = -${cacheKib}`,
];
/** Of connections that only read. */
export const READER_PRAGMAS = [...SHARED_PRAGMAS, "pragma query_only = on"];
// What a big transaction has made of the log is given back at the next checkpoint.
const keptLogBytes = 64 * 1024 * 1024;

/** Opens the connections and makes the file, with its folder, when it is missing. */
export async function openSqlitePool(options: SqlitePoolOptions): Promise<SqlitePool> {
  const { file, durability, waitMs, onQuery, writes } = options;
  const opened: SqliteConnection[] = [];
  const close = (): void => {
    for (const connection of opened) connection.close();
  };
  try {
    createFile(file);
    const writer = new SqliteConnection(openFile(file), onQuery, writes);
    opened.push(writer);
    await retryWhileBusy(() => setUp(writer, durability), waitMs);
    const reader = new SqliteConnection(openFile(file), onQuery);
    opened.push(reader);
    await retryWhileBusy(() => setUp(reader, durability), waitMs);
    reader.execute("pragma query_only = on");
    return { reader, writer, close };
  } catch (error) {
    close();
    throw toOpenError(file, error);
  }
}

function createFile(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o750 });
  try {
    // SQLite gives its other files the mode of this one.
    closeSync(openSync(file, "wx", 0o640));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    accessSync(file, constants.R_OK | constants.W_OK);
  }
}

function openFile(file: string): Database {
  return new Database(file, { readwrite: true, create: true });
}

function setUp(connection: SqliteConnection, durability: Durability): void {
  for (const pragma of SHARED_PRAGMAS) connection.execute(pragma);
  connection.execute("pragma journal_mode = wal");
  connection.execute(`pragma synchronous = ${durability}`);
  // Elsewhere it does nothing: on macOS alone, what a program has synced may still be in the drive's own memory.
  if (durability === "full") connection.execute("pragma fullfsync = on");
  connection.execute("pragma foreign_keys = on");
  connection.execute(`pragma journal_size_limit = ${keptLogBytes}`);
  // Reads the schema, so that a damaged file is found now.
  connection.values("select count(*) from sqlite_schema", []);
}

function toOpenError(file: string, thrown: unknown): unknown {
  const error = toSqliteFault(thrown);
  if (error instanceof DatabaseError) {
    if (error.fault === "corrupt") {
      return new DatabaseError(
        "corrupt",
        `Cannot open the database "${file}": it is damaged, or not an SQLite database; it was left as it is: move it away, and restore a backup with "xcore db restore"`,
      );
    }
    const state = error.message.slice(error.message.indexOf(": ") + 2);
    return new DatabaseError(error.fault, `Cannot open the database "${file}": ${state}`);
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new DatabaseError(
        "readonly",
        `Cannot open the database "${file}": the user of this process may not write it, or its folder (${code})`,
      );
    case "ENOSPC":
    case "EDQUOT":
      return new DatabaseError("full", `Cannot open the database "${file}": no space is left on its disk`);
    case "":
      return error;
    default:
      return new DatabaseError(
        "unavailable",
        `Cannot open the database "${file}": the file or its folder can't be made or opened (${code})`,
      );
  }
}
