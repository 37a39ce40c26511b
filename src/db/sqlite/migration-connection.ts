import { Database } from "bun:sqlite";
import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import { DatabaseError, isFault } from "../contract/database-error.ts";
import type { MigrationConnection } from "../contract/driver.ts";
import { migratedElsewhere } from "../contract/faults.ts";
import { retryWhileBusy } from "./connection/busy.ts";
import type { SqliteChannel } from "./channel.ts";
import type { SqliteConnection } from "./connection/connection.ts";
import { toSqliteFault } from "./connection/faults.ts";

type Parameters = readonly (string | number | null)[];

export interface SqliteMigrationOptions {
  readonly channel: SqliteChannel;
  readonly file: string;
  readonly waitMs: number;
  /** How long another process that migrates is waited for, in ms. */
  readonly timeoutMs: number;
  readonly log: Logger;
}

const LOCK_PAUSE_MS = 50;

/** Runs `work` on the writing connection, while this process holds the lock of migrations of this file. */
export async function migrateOnSqlite<T>(
  { channel, file, waitMs, timeoutMs, log }: SqliteMigrationOptions,
  work: (connection: MigrationConnection) => Promise<T>,
): Promise<T> {
  channel.assertNotHolder();
  const unlock = await takeLock(file, { log, timeoutMs });
  try {
    return await channel.withWriter((writer) =>
      writer.withoutLimit(() => work(new SqliteMigrationConnection(writer, waitMs))),
    );
  } finally {
    unlock();
  }
}

/**
 * Waits until no other process migrates this database. The lock is one of the operating system on a file
 * beside it, so that it ends with the process that holds it, however that ends.
 *
 * @returns lets go of the lock
 */
async function takeLock(
  file: string,
  { log, timeoutMs }: Pick<SqliteMigrationOptions, "log" | "timeoutMs">,
): Promise<() => void> {
  const startedAt = performance.now();
  const database = openLock(`${file}.migrating`);
  let isTold = false;
  for (;;) {
    try {
      database.run("begin exclusive");
      return () => database.close();
    } catch (thrown) {
      const error = toSqliteFault(thrown);
      if (!isFault(error, "busy")) {
        database.close();
        throw error;
      }
    }
    if (performance.now() - startedAt > timeoutMs) {
      database.close();
      throw migratedElsewhere(timeoutMs);
    }
    if (!isTold) log.info("waiting for another process that migrates the database");
    isTold = true;
    await setTimeout(LOCK_PAUSE_MS);
  }
}

function openLock(file: string): Database {
  try {
    return new Database(file, { create: true, readwrite: true });
  } catch (error) {
    throw toSqliteFault(error);
  }
}

class SqliteMigrationConnection implements MigrationConnection {
  readonly isTransactional = true;
  readonly #writer: SqliteConnection;
  readonly #waitMs: number;

  constructor(writer: SqliteConnection, waitMs: number) {
    this.#writer = writer;
    this.#waitMs = waitMs;
  }

  async run(statement: string, parameters?: Parameters): Promise<void> {
    await this.#patiently(() => {
      if (parameters === undefined || parameters.length === 0) this.#writer.execute(statement);
      else this.#writer.write(statement, [...parameters]);
    });
  }

  all<Row>(statement: string, parameters: Parameters = []): Promise<Row[]> {
    return this.#patiently(() => this.#writer.all(statement, [...parameters]) as Row[]);
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    if (this.#writer.isInTransaction) {
      throw new TypeError("Cannot open a transaction of migrations: one is open already");
    }
    this.#writer.execute("pragma foreign_keys = off");
    try {
      await this.#patiently(() => this.#writer.execute("begin immediate"));
      const result = await work();
      this.#assertReferences();
      this.#writer.execute("commit");
      return result;
    } catch (error) {
      if (this.#writer.isInTransaction) this.#writer.execute("rollback");
      throw error;
    } finally {
      this.#writer.execute("pragma foreign_keys = on");
    }
  }

  #assertReferences(): void {
    const violations = this.#writer.all("pragma foreign_key_check", []);
    const [first] = violations;
    if (first === undefined) return;
    throw new DatabaseError(
      "other",
      `Cannot commit the migration: ${violations.length} rows refer to rows that don't exist, the first in table "${String(first["table"])}" to table "${String(first["parent"])}"`,
      { table: String(first["table"]) },
    );
  }

  #patiently<T>(run: () => T): Promise<T> {
    return retryWhileBusy(run, this.#waitMs);
  }
}
