import { createPool } from "mysql2/promise";
import type { PoolOptions } from "mysql2/promise";
import type { Database, SchemaTables } from "../contract/database.ts";
import type { Driver } from "../contract/driver.ts";
import { OpenWork } from "../server/open-work.ts";
import { createQueryLog } from "../contract/query-log.ts";
import { toRelationalSchema } from "../drizzle/relational-schema.ts";
import { keepValuesInRelations } from "../schema/relational-json.ts";
import type { ServerDriverOptions } from "../server/driver-options.ts";
import { toTls } from "../contract/tls.ts";
import { TransactionScope } from "../server/transaction-state.ts";
import { MysqlChannel } from "./channel.ts";
import { MysqlDatabase } from "./database.ts";
import { PortableMySqlDialect } from "./dialect.ts";
import { migrateOnMysql } from "./migration-connection.ts";
import { MysqlSession } from "./session.ts";

const CLOSE_MS = 30_000;

/**
 * Strict, and nearer to the SQL of the others: "x" is a name, `||` joins texts, a 0 is a 0. MariaDB can also have
 * `set a = b, b = a` mean what it means elsewhere.
 */
const SQL_MODE = [
  "STRICT_ALL_TABLES",
  "NO_ZERO_IN_DATE",
  "NO_ZERO_DATE",
  "ERROR_FOR_DIVISION_BY_ZERO",
  "NO_ENGINE_SUBSTITUTION",
  "ANSI_QUOTES",
  "PIPES_AS_CONCAT",
  "NO_AUTO_VALUE_ON_ZERO",
].join(",");

const SESSION = `set time_zone = '+00:00', sql_mode = concat('${SQL_MODE}', if(version() like '%MariaDB%', ',SIMULTANEOUS_ASSIGNMENT', ''))`;

/**
 * Makes a driver for a MySQL or MariaDB server. It connects with the first query; `ping()` finds out which of both
 * it is.
 */
export function createMysqlDriver(options: ServerDriverOptions): Driver {
  const { url, poolSize, echo, log } = options;
  const settings = toSettings(options);
  const pool = createPool({
    ...settings,
    connectionLimit: poolSize,
    waitForConnections: true,
    queueLimit: 0,
  });
  pool.pool.on("connection", (connection) => {
    // Queued before whatever the connection was opened for.
    connection.query(SESSION, (error) => {
      if (error !== null) connection.destroy();
    });
  });
  const dialect = keepValuesInRelations(new PortableMySqlDialect());
  const work = new OpenWork();
  const onQuery = createQueryLog(echo, log);
  let closed: Promise<void> | null = null;
  const channel = new MysqlChannel({ pool, server: url, scope: new TransactionScope(), work, onQuery });
  return {
    dialect: "mysql",
    toDatabase<Schema extends SchemaTables>(schema: Schema): Database<Schema> {
      const relational = toRelationalSchema(schema);
      const session = new MysqlSession(dialect, channel, relational);
      // Made to behave as what it is typed as; drizzle's types of MySQL are others.
      return new MysqlDatabase(dialect, session, relational) as unknown as Database<Schema>;
    },
    migrate: (migration) => migrateOnMysql({ settings, session: SESSION, server: url, log }, migration),
    async ping() {
      const [row] = await channel.all("select version() as version", []);
      dialect.isMariaDb = /mariadb/i.test(String(row?.["version"]));
    },
    changeToken: () => null,
    close: () => (closed ??= work.close(CLOSE_MS).then(() => pool.end())),
  };
}

function toSettings({ url, connectTimeoutMs }: ServerDriverOptions): PoolOptions {
  const { host, port, user, password, database } = url;
  const tls = toTls(url.options);
  return {
    host,
    port,
    user,
    password,
    database,
    ...(tls === null ? {} : { ssl: tls }),
    connectTimeout: connectTimeoutMs,
    charset: "utf8mb4",
    timezone: "Z",
    dateStrings: true,
    jsonStrings: true,
    supportBigNumbers: true,
    // Otherwise mysql2 writes an object as SQL of its own.
    stringifyObjects: true,
    enableKeepAlive: true,
    // Without FOUND_ROWS an upsert tells whether it inserted; without LOCAL_FILES a server can't ask for files.
    flags: ["-FOUND_ROWS", "-LOCAL_FILES"],
    connectAttributes: { program_name: "xcore" },
  };
}
