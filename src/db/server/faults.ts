import { DatabaseError, isFault } from "../contract/database-error.ts";
import type { ServerUrl } from "../contract/database-url.ts";
import { alike, type Failure, type FaultTable, findFault } from "../contract/faults.ts";

/** Which server a fault is about; holds no password. */
export type ServerPlace = Pick<ServerUrl, "host" | "port" | "user" | "database">;

export interface ServerFailure extends Failure {
  readonly server: ServerPlace;
}

/** Codes of the system's, Node's and the drivers' errors that mean: no connection. */
const NO_CONNECTION: FaultTable<ServerFailure> = {
  ECONNREFUSED: unreachableBy("connection refused"),
  ENOTFOUND: unreachableBy("unknown host"),
  EAI_AGAIN: unreachableBy("the host's name can't be resolved now"),
  EAI_FAIL: unreachableBy("the host's name can't be resolved"),
  EHOSTUNREACH: unreachableBy("no route to the host"),
  ENETUNREACH: unreachableBy("no route to the network"),
  EHOSTDOWN: unreachableBy("the host is down"),
  ...alike(["ETIMEDOUT", "CONNECT_TIMEOUT"], unreachableBy("it doesn't answer")),
  ...alike(
    ["ECONNRESET", "EPIPE", "CONNECTION_CLOSED", "PROTOCOL_CONNECTION_LOST"],
    unreachableBy("connection lost"),
  ),
  ...alike(["CONNECTION_DESTROYED", "CONNECTION_ENDED", "POOL_CLOSED"], unreachableBy("connection closed")),
};

/** Codes that OpenSSL and Node have for a certificate that isn't trusted. */
const TLS_CODE = /CERT|SIGNATURE|^ERR_TLS|^ERR_SSL|^HANDSHAKE_SSL|^EPROTO$/;

/** Returns what a failed connection comes to; null when the code means something else. */
export function toConnectionFault(code: string, failure: ServerFailure): Error | null {
  const fault = findFault(NO_CONNECTION, [code], failure);
  if (fault !== null || !TLS_CODE.test(code)) return fault;
  return new DatabaseError(
    "credentials",
    `Cannot encrypt the connection to the database at ${at(failure.server)}: ${code}; check "sslmode" and "sslrootcert" in "database.url"`,
  );
}

export function unreachable(server: ServerPlace, reason: string): DatabaseError {
  return new DatabaseError("unavailable", `Cannot connect to the database at ${at(server)}: ${reason}`);
}

/** Returns what a write comes to whose connection was lost before its answer came; any other error as it is. */
export function toUnknownOutcome(error: unknown): unknown {
  if (!isFault(error, "unavailable")) return error;
  return new DatabaseError(
    "outcome",
    `Cannot tell whether the write was made: the answer didn't come. ${error.message}`,
    { cause: error, sql: error.sql },
  );
}

/** For a table: that the server can't be reached, and why. */
export function unreachableBy(reason: string): (failure: ServerFailure) => DatabaseError {
  return ({ server }) => unreachable(server, reason);
}

export function wrongCredentials(server: ServerPlace, reason = "wrong user or password"): DatabaseError {
  return new DatabaseError(
    "credentials",
    `Cannot log in to the database at ${at(server)} as "${server.user}": ${reason}; check "database.url"`,
  );
}

export function noConnectionLeft({ server }: ServerFailure): DatabaseError {
  return new DatabaseError(
    "connections",
    `Cannot connect to the database at ${at(server)}: it has no more connections to give; lower "database.pool_size", or raise the server's limit`,
  );
}

export function missingDatabase({ server }: ServerFailure): DatabaseError {
  return new DatabaseError(
    "other",
    `Cannot open the database "${server.database}" at ${at(server)}: it doesn't exist; create it with "CREATE DATABASE ${server.database}", or check "database.url"`,
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
    column,
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
  return new DatabaseError("value", `Cannot use ${what}: ${reason}`, { sql, column });
}

function into(table: string | undefined): string {
  return table === undefined ? "" : ` into "${table}"`;
}

/** Shows where a server is: `"db:5432"`, `"[::1]:5432"`. */
export function at({ host, port }: Pick<ServerPlace, "host" | "port">): string {
  return `"${host.includes(":") ? `[${host}]` : host}:${port}"`;
}
