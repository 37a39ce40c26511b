import type { ConnectionOptions } from "mysql2";
import type { ServerDriverOptions } from "../contract/driver.ts";
import { toTls } from "../contract/tls.ts";

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

/** Returns what mysql2 is told of the server and of values, for every connection. */
export function toSettings({ url, connectTimeoutMs }: ServerDriverOptions): ConnectionOptions {
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
