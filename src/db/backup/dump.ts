import type { DatabaseUrl } from "../contract/database-url.ts";
import { createMysqlDump } from "./mysql-dump.ts";
import { createPostgresDump } from "./postgres-dump.ts";
import type { Environment } from "./programs.ts";
import { createSqliteDump } from "./sqlite-dump.ts";

/** How a database is written into one file and read from it again. Errors are `DatabaseError`s. */
export interface DumpFormat {
  /** Name of the dump in a backup. */
  readonly member: string;
  /** Where a backup is unpacked: a folder that may not be there yet. */
  readonly directory: string | null;
  /** Bytes that the dump will have, about; 0 where that can't be told. */
  estimate(deadline: AbortSignal): Promise<number>;
  /** Writes the database as it is at one moment into a new file, beside other users of it. */
  dump(file: string, deadline: AbortSignal): Promise<void>;
  /**
   * Takes the database for a restore, until it is disposed of.
   *
   * @throws DatabaseError where it is known to be in use
   */
  take(): Promise<TakenDatabase>;
}

/** A database that is about to be replaced. */
export interface TakenDatabase extends AsyncDisposable {
  /** What the user should know before. */
  readonly warnings: readonly string[];
  /** Where the replaced database will be kept; null where there is none yet, or the caller keeps it by a backup. */
  readonly keptAs: string | null;
  /** Whether there is anything that the caller has to keep by a backup. */
  readonly needsBackup: boolean;
  /** Whether a replacement that fails leaves the database as it was; else it has to be put back. */
  readonly isAtomic: boolean;
  /**
   * Checks a dump without changing anything.
   *
   * @returns what the user should know of it
   */
  check(file: string, deadline: AbortSignal): Promise<string[]>;
  /**
   * Puts a dump in the place of the database.
   *
   * @param kept the backup of what is there, which is named to who finds a replacement that was cut off
   */
  replace(file: string, deadline: AbortSignal, kept: string | null): Promise<void>;
}

/** Returns how the database is dumped and restored. */
export function createDump(url: DatabaseUrl, env: Environment): DumpFormat {
  if (url.dialect === "sqlite") return createSqliteDump(url);
  return url.dialect === "postgres" ? createPostgresDump(url, env) : createMysqlDump(url, env);
}
