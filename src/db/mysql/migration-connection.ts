import type { ConnectionOptions } from "mysql2";
import type { Logger } from "pino";
import { DatabaseError } from "../contract/database-error.ts";
import type { MigrationConnection } from "../contract/driver.ts";
import type { ServerPlace } from "../server/faults.ts";
import { type RunStatement, toMigrationConnection } from "../server/migration-connection.ts";
import { MysqlConnection } from "./connection.ts";

export interface MysqlMigrationOptions {
  readonly settings: ConnectionOptions;
  readonly server: ServerPlace;
  readonly log: Logger;
}

const STRING_OR_COLLATION = /'(?:[^'\\]|\\.|'')*'|\bcollate utf8mb4_bin\b/gi;
/** A day: "for ever", in words that every version knows. */
const WAIT_SECONDS = 86_400;

/** Runs `work` on a connection of its own, which holds the lock of migrations of this database. */
export async function migrateOnMysql<T>(
  { settings, server, log }: MysqlMigrationOptions,
  work: (connection: MigrationConnection) => Promise<T>,
): Promise<T> {
  const connection = new MysqlConnection({ settings, server, onQuery: null, limits: null });
  const all: RunStatement = (statement, parameters) => connection.all(statement, parameters);
  try {
    await connection.connect();
    await takeLock(all, log);
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

async function takeLock(all: RunStatement, log: Logger): Promise<void> {
  // Names of locks count for the whole server and have 64 characters at most: the database's is hashed.
  const lock = "get_lock(concat('xcore-', md5(database())), ?) as locked";
  const [free] = await all(`select ${lock}`, [0]);
  if (free?.["locked"] === 1) return;
  log.info("waiting for another process that migrates the database");
  const [waited] = await all(`select ${lock}`, [WAIT_SECONDS]);
  if (waited?.["locked"] === 1) return;
  throw new DatabaseError(
    "busy",
    "Cannot migrate the database: another process has been migrating it for a day",
  );
}
