import type { ConnectionOptions } from "mysql2";
import type { Logger } from "pino";
import type { MigrationConnection } from "../contract/driver.ts";
import { migratedElsewhere } from "../contract/faults.ts";
import type { ServerPlace } from "../server/faults.ts";
import { type RunStatement, toMigrationConnection, withinTime } from "../server/migration-connection.ts";
import { MysqlConnection } from "./connection.ts";

export interface MysqlMigrationOptions {
  readonly settings: ConnectionOptions;
  readonly server: ServerPlace;
  readonly log: Logger;
  /** How long a statement may take, in ms. */
  readonly timeoutMs: number;
}

const STRING_OR_COLLATION = /'(?:[^'\\]|\\.|'')*'|\bcollate utf8mb4_bin\b/gi;

/** Runs `work` on a connection of its own, which holds the lock of migrations of this database. */
export async function migrateOnMysql<T>(
  { settings, server, log, timeoutMs }: MysqlMigrationOptions,
  work: (connection: MigrationConnection) => Promise<T>,
): Promise<T> {
  const connection = new MysqlConnection({ settings, server, onQuery: null, limits: null });
  const send: RunStatement = (statement, parameters) => connection.all(statement, parameters);
  const all = withinTime(send, timeoutMs, (reason) => connection.lose(reason));
  const wait = withinTime(send, timeoutMs, () => connection.lose(migratedElsewhere(timeoutMs)));
  try {
    await connection.connect();
    await takeLock(wait, { log, timeoutMs });
    const collate = toCollate(await readCollation(all));
    const options = { isTransactional: false, begin: "start transaction", collate };
    return await work(toMigrationConnection(all, options));
  } finally {
    // The lock ends with its connection.
    await connection.end();
  }
}

/**
 * The collation of the tables to make. `utf8mb4_bin` takes "a" and "a " for equal; the one that doesn't is called
 * otherwise on each server. Where the tables that are there have the former it is kept, as text of two collations can
 * be neither compared nor referred to.
 */
async function readCollation(all: RunStatement): Promise<string> {
  const [row] = await all(
    "select coalesce((select table_collation from information_schema.tables where table_schema = database() and table_name = 'xcore_migrations'), @@collation_connection) as name",
  );
  return String(row?.["name"]);
}

function toCollate(collation: string): (statement: string) => string {
  return (statement) =>
    statement.replaceAll(STRING_OR_COLLATION, (found) =>
      found.startsWith("'") ? found : `collate ${collation}`,
    );
}

async function takeLock(
  all: RunStatement,
  { log, timeoutMs }: Pick<MysqlMigrationOptions, "log" | "timeoutMs">,
): Promise<void> {
  // Names of locks count for the whole server and have 64 characters at most: the database's is hashed.
  const lock = "get_lock(concat('xcore-', md5(database())), ?) as locked";
  const [free] = await all(`select ${lock}`, [0]);
  if (free?.["locked"] === 1) return;
  log.info("waiting for another process that migrates the database");
  const [waited] = await all(`select ${lock}`, [Math.ceil(timeoutMs / 1000)]);
  if (waited?.["locked"] === 1) return;
  throw migratedElsewhere(timeoutMs);
}
