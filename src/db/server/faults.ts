import { DatabaseError, type DatabaseFault } from "../contract/database-error.ts";
import type { ServerUrl } from "../contract/database-url.ts";

/** Codes of the system's, Node's and the drivers' errors that mean: no connection. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "unknown host",
  EAI_AGAIN: "the host's name can't be resolved now",
  EAI_FAIL: "the host's name can't be resolved",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  EHOSTDOWN: "the host is down",
  ETIMEDOUT: "it doesn't answer",
  CONNECT_TIMEOUT: "it doesn't answer",
  ECONNRESET: "connection lost",
  EPIPE: "connection lost",
  CONNECTION_CLOSED: "connection lost",
  CONNECTION_DESTROYED: "connection closed",
  CONNECTION_ENDED: "connection closed",
  PROTOCOL_CONNECTION_LOST: "connection lost",
  POOL_CLOSED: "connection closed",
};

/** Codes that OpenSSL and Node have for a certificate that isn't trusted. */
const TLS_CODE = /CERT|SIGNATURE|^ERR_TLS|^ERR_SSL|^EPROTO$/;

/** Which server a fault is about; holds no password. */
export type ServerPlace = Pick<ServerUrl, "host" | "port" | "user" | "database">;

/** Returns what a failed connection comes to; null when the code means something else. */
export function toConnectionFault(code: string, server: ServerPlace): DatabaseError | null {
  const reason = UNREACHABLE[code];
  if (reason !== undefined) return unreachable(server, reason);
  if (!TLS_CODE.test(code)) return null;
  return new DatabaseError(
    "credentials",
    `Cannot encrypt the connection to the database at ${at(server)}: ${code}; check "sslmode" and "sslrootcert" in "database.url"`,
  );
}

export function unreachable(server: ServerPlace, reason: string): DatabaseError {
  return new DatabaseError("unavailable", `Cannot connect to the database at ${at(server)}: ${reason}`);
}

export function wrongCredentials(server: ServerPlace, reason = "wrong user or password"): DatabaseError {
  return new DatabaseError(
    "credentials",
    `Cannot log in to the database at ${at(server)} as "${server.user}": ${reason}; check "database.url"`,
  );
}

export function missingDatabase(server: ServerPlace): DatabaseError {
  return new DatabaseError(
    "other",
    `Cannot open the database "${server.database}" at ${at(server)}: it doesn't exist; create it with "CREATE DATABASE ${server.database}", or check "database.url"`,
  );
}

export function missingTable(table: string, sql: string | undefined): DatabaseError {
  return new DatabaseError(
    "missing_table",
    `Cannot query table "${table}": it isn't in the database; create its migration with "xcore db generate <plugin>" and apply it with "xcore db migrate"`,
    { sql, table },
  );
}

export function missingColumn(column: string, sql: string | undefined): DatabaseError {
  return new DatabaseError(
    "missing_column",
    `Cannot query column "${column}": it isn't in the database; create its migration with "xcore db generate <plugin>" and apply it with "xcore db migrate"`,
    { sql },
  );
}

export function missingValue(
  column: string,
  table: string | undefined,
  sql: string | undefined,
): DatabaseError {
  return new DatabaseError("not_null", `Cannot save${into(table)}: "${column}" needs a value`, {
    sql,
    table,
  });
}

export function refusedByCheck(
  check: string,
  table: string | undefined,
  sql: string | undefined,
): DatabaseError {
  return new DatabaseError("check", `Cannot save${into(table)}: its check "${check}" refuses the row`, {
    sql,
    table,
  });
}

/** @param reason without the value itself */
export function unfitValue(
  column: string | undefined,
  reason: string,
  sql: string | undefined,
): DatabaseError {
  const what = column === undefined ? "a value" : `the value of "${column}"`;
  return new DatabaseError("value", `Cannot use ${what}: ${reason}`, { sql });
}

/** @param reason without values of the query */
export function failedQuery(fault: DatabaseFault, reason: string, sql?: string): DatabaseError {
  return new DatabaseError(fault, `Cannot run the query: ${reason}`, { sql });
}

function into(table: string | undefined): string {
  return table === undefined ? "" : ` into "${table}"`;
}

/** Shows where a server is: `"db:5432"`, `"[::1]:5432"`. */
export function at({ host, port }: Pick<ServerPlace, "host" | "port">): string {
  return `"${host.includes(":") ? `[${host}]` : host}:${port}"`;
}
