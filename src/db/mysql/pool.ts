import { createPool, type Pool, type PoolOptions } from "mysql2/promise";
import type { ServerDriverOptions } from "../contract/driver.ts";
import { toTls } from "../contract/tls.ts";
import { OpenWork } from "../server/open-work.ts";

/**
 * Strict, and nearer to the SQL of SQLite and PostgreSQL: "x" is a name, `||` joins texts, a 0 is a 0. MariaDB can also have
 * `set a = b, b = a` swap the values, as it does there.
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

/** Compares text that is of no column as columns do: MariaDB's name of such a collation, MySQL's, or the nearest one. */
const COLLATION = `coalesce((select max(collation_name) from information_schema.collations where collation_name in ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin')), 'utf8mb4_bin')`;

/** The first statement of each connection. */
export const SET_UP = `set time_zone = '+00:00', sql_mode = concat('${SQL_MODE}', if(version() like '%MariaDB%', ',SIMULTANEOUS_ASSIGNMENT', '')), collation_connection = ${COLLATION}`;

/** mysql2's pool, which is closed only behind what runs on it. */
export class MysqlPool {
  readonly #pool: Pool;
  readonly #work = new OpenWork();
  #closed: Promise<void> | null = null;

  constructor(settings: PoolOptions, size: number) {
    this.#pool = createPool({
      ...settings,
      connectionLimit: size,
      waitForConnections: true,
      queueLimit: 0,
    });
    this.#pool.pool.on("connection", (connection) => {
      // Queued before whatever the connection was opened for.
      connection.query(SET_UP, (error) => {
        if (error !== null) connection.destroy();
      });
    });
  }

  /** Runs `work` on the pool. */
  use<T>(work: (client: Pool) => Promise<T>): Promise<T> {
    return this.#work.run(() => work(this.#pool));
  }

  /** Lets what is under way finish, for at most `timeoutMs`, and closes every connection. */
  close(timeoutMs: number): Promise<void> {
    this.#closed ??= this.#work.close(timeoutMs).then(() => this.#pool.end());
    return this.#closed;
  }
}

/** Returns what mysql2 is told of the server and of values, for a pool or a single connection. */
export function toSettings({ url, connectTimeoutMs }: ServerDriverOptions): PoolOptions {
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
