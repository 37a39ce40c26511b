import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import { DatabaseError, type DatabaseFault } from "./contract/database-error.ts";
import type { DatabaseUrl, ServerUrl } from "./contract/database-url.ts";
import type { Driver, Durability, ServerDriverOptions } from "./contract/driver.ts";
import { at } from "./server/faults.ts";
import { Callers } from "./transactions/callers.ts";

export interface DatabaseOptions {
  /** Connections to a server, at most. SQLite has its own two. */
  readonly poolSize: number;
  /** What a commit of SQLite outlasts; servers have settings of their own. @default "full" */
  readonly durability?: Durability;
  /** Logs each statement, without its values. */
  readonly echo: boolean;
  /** How long a statement may take, in ms. @default 30_000 */
  readonly statementTimeoutMs?: number;
  /** How long a transaction may be open, in ms. @default 60_000 */
  readonly transactionTimeoutMs?: number;
}

export interface OpenOptions extends DatabaseOptions {
  readonly url: DatabaseUrl;
  readonly log: Logger;
  /** Where it is remembered that there is a database; its file must then be there. @default nowhere */
  readonly dataDirectory?: string;
  /** Whether an empty database may be made in the place of one that is gone. @default false */
  readonly mayBeNew?: boolean | undefined;
  /** How long a statement waits for a connection, in ms. @default 5000 */
  readonly waitTimeoutMs?: number;
  /** How long a connection may have been idle to be handed out unchecked, in ms. @default 5000 */
  readonly trustedMs?: number;
  /** How long a server that can't be reached is tried again, in ms. @default 30_000 */
  readonly connectTimeoutMs?: number;
  /** How long a statement of a migration may take, and another process that migrates, in ms. @default 3_600_000 */
  readonly migrationTimeoutMs?: number;
  /** For whom it works. @default for nobody who could give up */
  readonly callers?: Callers;
  /** Gives up waiting for a server. */
  readonly signal?: AbortSignal | undefined;
}

const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5000;
const MAX_TRY_MS = 5000;
const PASSING: ReadonlySet<DatabaseFault> = new Set(["unavailable", "connections", "busy", "timeout"]);

/** Reads the options of a database from `database` of config.json. */
export function toDatabaseOptions(settings: Config["database"]): DatabaseOptions {
  return {
    poolSize: settings.pool_size,
    durability: settings.durability,
    echo: settings.echo,
    statementTimeoutMs: settings.statement_timeout * 1000,
    transactionTimeoutMs: settings.transaction_timeout * 1000,
  };
}

/**
 * Opens the database and returns once it answers. A server that can't be reached is tried again, with growing
 * pauses and a line in the log each time; wrong credentials or a missing database fail at once.
 *
 * @throws DatabaseError
 */
export async function openDatabase(options: OpenOptions): Promise<Driver> {
  const {
    url,
    durability = "full",
    echo,
    log,
    statementTimeoutMs = 30_000,
    transactionTimeoutMs = 60_000,
    migrationTimeoutMs = 3_600_000,
    callers = new Callers(),
  } = options;
  if (url.dialect === "sqlite") {
    const { openSqlite } = await import("./sqlite/driver.ts");
    const { KnownFiles } = await import("./sqlite/known-files.ts");
    const known = options.dataDirectory === undefined ? null : new KnownFiles(options.dataDirectory);
    if (options.mayBeNew !== true) known?.assertNotGone(url.file);
    const driver = await openSqlite({
      file: url.file,
      durability,
      log,
      echo,
      waitMs: statementTimeoutMs,
      transactionTimeoutMs,
      migrationTimeoutMs,
      callers,
    });
    await known?.add(url.file).catch((error: unknown) => {
      log.warn({ err: error }, "it isn't remembered that there is a database");
    });
    return driver;
  }
  const { connectTimeoutMs = 30_000, waitTimeoutMs = 5000, trustedMs = 5000 } = options;
  const driver = await createServerDriver({
    ...options,
    url,
    statementTimeoutMs,
    transactionTimeoutMs,
    migrationTimeoutMs,
    waitTimeoutMs,
    trustedMs,
    callers,
    connectTimeoutMs: Math.min(connectTimeoutMs, MAX_TRY_MS),
  });
  try {
    await waitForServer(driver, url, { ...options, connectTimeoutMs });
    return driver;
  } catch (error) {
    // Not waited for: a try under way may hang.
    void driver.close().catch(() => {});
    throw error;
  }
}

async function createServerDriver(options: ServerDriverOptions): Promise<Driver> {
  if (options.url.dialect === "postgres") {
    const { createPostgresDriver } = await import("./postgres/driver.ts");
    return createPostgresDriver(options);
  }
  const { createMysqlDriver } = await import("./mysql/driver.ts");
  return createMysqlDriver(options);
}

async function waitForServer(
  driver: Driver,
  url: ServerUrl,
  { log, connectTimeoutMs, signal }: OpenOptions & { connectTimeoutMs: number },
): Promise<void> {
  const start = performance.now();
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    signal?.throwIfAborted();
    // oxlint-disable-next-line no-await-in-loop -- one try after another
    const error = await tryPing(driver, connectTimeoutMs - (performance.now() - start), signal);
    if (error === null) return;
    if (!PASSING.has(error.fault)) throw error;
    const leftMs = connectTimeoutMs - (performance.now() - start) - pauseMs;
    if (leftMs <= 0) {
      throw new DatabaseError(
        "unavailable",
        `Cannot reach the database at ${at(url)} within ${connectTimeoutMs / 1000} s: check that it runs, and "database.url"; ${error.message}`,
      );
    }
    log.warn(`${error.message}; trying again in ${pauseMs} ms, for ${Math.ceil(leftMs / 1000)} s more`);
    // oxlint-disable-next-line no-await-in-loop
    await setTimeout(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => {});
  }
}

async function tryPing(
  driver: Driver,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<DatabaseError | null> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const timer = globalThis.setTimeout(
    () => reject(new DatabaseError("unavailable", "Cannot connect to the database: it doesn't answer")),
    Math.max(0, timeoutMs),
  );
  const abort = (): void => reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([driver.ping(), ended]);
    return null;
  } catch (error) {
    if (error instanceof DatabaseError) return error;
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
