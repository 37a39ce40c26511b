import { statfsSync } from "node:fs";
import type { Logger } from "pino";
import type { Database, SchemaTables } from "../contract/database.ts";
import { DatabaseError } from "../contract/database-error.ts";
import type { Driver, Durability } from "../contract/driver.ts";
import { createQueryLog, PROBE, type QueryWatch } from "../contract/statements.ts";
import { watchChannel } from "../transactions/watched-channel.ts";
import { toRelationalSchema } from "../drizzle/session-parts.ts";
import { Callers } from "../transactions/callers.ts";
import { createAfterCommit } from "../transactions/commits.ts";
import { type Channel, SqliteChannel } from "./channel.ts";
import { SqliteDatabase } from "./database.ts";
import { SqliteDialect } from "./dialect.ts";
import { FileWatch } from "./file-watch.ts";
import { LogGrowth, type LogLimits } from "./log-growth.ts";
import { migrateOnSqlite } from "./migration-connection.ts";
import { BRIEF_MS, type StatementRunner } from "./connection/connection.ts";
import { openSqlitePool, READER_PRAGMAS, type SqlitePool } from "./connection/pool.ts";
import type { ReadingThreads, ReadingThreadsOptions } from "./connection/reading-threads.ts";
import { SqliteSession } from "./session.ts";
import { sqliteTableMakers } from "./table-makers.ts";
import { WriteFeed, WriteTracker } from "../writes/feed.ts";

const FULL_MS = 60_000;
const LITTLE_BYTES = 64 * 1024;

export interface SqliteOptions {
  /** Absolute path; the file and its folder are made when they are missing. */
  readonly file: string;
  readonly log: Logger;
  /** Logs each statement, without its values. */
  readonly echo: boolean;
  /**
   * Whether a commit waits for the disk.
   *
   * @default "full"
   */
  readonly durability?: Durability;
  /**
   * How long a write waits for its turn, and for other processes, before it fails with "busy", in ms.
   *
   * @default 30_000
   */
  readonly waitMs?: number;
  /** How long a transaction may be open, in ms. @default 60_000 */
  readonly transactionTimeoutMs?: number;
  /** How long another process that migrates is waited for, in ms. @default 3_600_000 */
  readonly migrationTimeoutMs?: number;
  /** How large the log beside the file may grow. @default a warning at 256 MB, no more writes at 1 GB */
  readonly logLimits?: LogLimits;
  /** For whom it works. @default for nobody who could give up */
  readonly callers?: Callers;
}

/**
 * Makes a driver for an SQLite file, and opens it. A file that is no database, or is damaged, is left as it is.
 *
 * @throws DatabaseError "corrupt", "readonly", "busy" or "unavailable", naming the file
 */
export async function openSqlite(options: SqliteOptions): Promise<Driver> {
  const {
    file,
    log,
    echo,
    durability = "full",
    waitMs = 30_000,
    transactionTimeoutMs: timeoutMs = 60_000,
    migrationTimeoutMs = 3_600_000,
    callers = new Callers(),
  } = options;
  const feed = new WriteFeed();
  const onQuery = createQueryLog(echo, log);
  const pool = await openSqlitePool({ file, durability, waitMs, onQuery, writes: new WriteTracker(feed) });
  const dialect = new SqliteDialect();
  const files = new FileWatch(file, log);
  const growth = new LogGrowth({ file, log, limits: options.logLimits });
  const channel = new SqliteChannel(pool, {
    waitMs,
    isDurable: durability === "full",
    transactions: { timeoutMs, log },
    callers,
    files,
    growth,
  });
  growth.start(() => channel.emptyLog());
  const session = new SqliteSession(dialect, channel);
  let closed: Promise<void> | null = null;
  let threads: ReadingThreads | null = null;
  return {
    dialect: "sqlite",
    tableMakers: sqliteTableMakers,
    toDatabase<Schema extends SchemaTables>(schema: Schema, watch?: QueryWatch): Database<Schema> {
      // SQLite's builders do what PostgreSQL's do, under types of their own.
      const own = watch ? new SqliteSession(dialect, watchChannel<Channel>(channel, watch)) : session;
      return new SqliteDatabase(dialect, own, toRelationalSchema(schema)) as unknown as Database<Schema>;
    },
    migrate: (work) =>
      feed.around(() => migrateOnSqlite({ channel, file, waitMs, timeoutMs: migrationTimeoutMs, log }, work)),
    async limitStatements() {
      threads ??= await limitStatements(pool, { file, timeoutMs: waitMs, onQuery, log });
      if (threads !== null) channel.useThreads(threads);
    },
    async ping() {
      files.assertThere();
      await channel.read((connection) => connection.values("select 1", []));
    },
    probe: () => channel.execute((writer) => probe(writer, pool.writer.fullAt, file)),
    changeToken: () => channel.changes.read(),
    afterCommit: createAfterCommit(channel),
    onTablesWritten: (listener) => feed.listen(listener),
    async close() {
      channel.assertNotHolder();
      growth.close();
      await threads?.close();
      files.close(); // what is in the log belongs into the file, wherever that is
      await (closed ??= close(pool, channel, log));
    },
  };
}

/** What is left may be enough for a probe, and for nobody's rows. @throws DatabaseError "full" */
function assertRoom(fullAt: number, file: string): void {
  if (performance.now() - fullAt >= FULL_MS || leftOnDisk(file) >= LITTLE_BYTES) return;
  throw new DatabaseError("full", "Cannot write to the database: no space is left on its disk");
}

function probe(connection: StatementRunner, fullAt: number, file: string): void {
  assertRoom(fullAt, file);
  connection.write(PROBE, []);
  // Written again as it is: a disk without room, or that is only read, refuses that.
  const [[version] = []] = connection.values("pragma user_version", []);
  connection.execute(`pragma user_version = ${Number(version)}`);
}

function leftOnDisk(file: string): number {
  try {
    const { bavail, bsize } = statfsSync(file);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY; // nobody can tell
  }
}

/**
 * Has statements that take long be cut: writes at their limit, reads soon, to be run by threads of their own.
 *
 * @returns the threads; null where it can't be had, which is told
 */
async function limitStatements(
  { reader, writer }: SqlitePool,
  options: Pick<ReadingThreadsOptions, "file" | "timeoutMs" | "onQuery"> & { readonly log: Logger },
): Promise<ReadingThreads | null> {
  try {
    const { StatementLimits } = await import("./connection/statement-limits.ts");
    const { ReadingThreads } = await import("./connection/reading-threads.ts");
    const limits = await StatementLimits.create();
    writer.limitBy(limits, options.timeoutMs);
    reader.limitBy(limits, BRIEF_MS, { isBrief: true });
    return new ReadingThreads({ ...options, limits, briefMs: BRIEF_MS, pragmas: READER_PRAGMAS });
  } catch (error) {
    options.log.warn({ err: error }, "a statement of SQLite that takes long can't be stopped here");
    return null;
  }
}

async function close(pool: SqlitePool, channel: SqliteChannel, log: Logger): Promise<void> {
  try {
    await channel.withWriter(async (writer) => {
      writer.execute("pragma wal_checkpoint(truncate)");
      pool.close();
    });
  } catch (error) {
    pool.close();
    // What is still in the log of the database is read from there when it is next opened.
    if (!(error instanceof DatabaseError)) throw error;
    log.warn({ err: error }, "the database was closed without a checkpoint");
  }
}
