import { ConstraintError, DatabaseError } from "../contract/database-error.ts";
import {
  failedQuery,
  missingColumn,
  missingDatabase,
  missingTable,
  missingValue,
  refusedByCheck,
  type ServerPlace,
  toConnectionFault,
  unfitValue,
  unreachable,
  wrongCredentials,
} from "../server/faults.ts";

/** What was run when the error came. */
export interface FailedStatement {
  readonly sql: string;
  /** Whether it had parameters: mysql2 writes them into the text, which the server's messages repeat. */
  readonly hasValues: boolean;
}

interface MysqlError extends Error {
  readonly errno?: number | undefined;
  readonly code?: string | undefined;
  readonly sqlState?: string | undefined;
  readonly sqlMessage?: string | undefined;
  readonly fatal?: boolean | undefined;
}

const SYNTAX_ERROR = 1064;
const CANNOT_CREATE_TABLE = 1005;
const TOO_MANY_ROWS = 1242;

/** The subquery that refuses an upsert whose conflict is another than the target; see conflicts.ts. */
export const WRONG_CONFLICT = "(select 1 union all select 2)";

const VALUE_REASONS: Readonly<Record<number, string>> = {
  1264: "the number is out of its column's range",
  1265: "it isn't of its column's type",
  1292: "it isn't of its column's type",
  1365: "division by zero",
  1366: "it isn't of its column's type, or holds a character that the column can't store",
  1406: "it is too long for its column",
  1411: "it isn't a date or time",
  1690: "the number is out of range",
};

/** What a server says that is going or full. */
const UNAVAILABLE: ReadonlySet<number> = new Set([
  1040, 1053, 1077, 1079, 1129, 1158, 1159, 1160, 1161, 1203, 1927, 4031,
]);
const READ_ONLY: ReadonlySet<number> = new Set([1290, 1792, 1836]);
const FULL: ReadonlySet<number> = new Set([1021, 1114]);
const CORRUPT: ReadonlySet<number> = new Set([1034, 1035, 1194, 1195, 1712]);
const DENIED: ReadonlySet<number> = new Set([1142, 1143, 1227, 1370]);

/**
 * Turns what mysql2 throws into an error that may be shown and logged: it holds neither values of the query nor
 * credentials. Any other error is returned as it is.
 *
 * @see https://mariadb.com/kb/en/mariadb-error-codes/
 */
export function toMysqlFault(error: unknown, server: ServerPlace, statement?: FailedStatement): unknown {
  if (!(error instanceof Error) || error instanceof DatabaseError) return error;
  const { errno, code, fatal, sqlState } = error as MysqlError;
  const connection = code === undefined ? null : toConnectionFault(code, server);
  if (connection !== null) return connection;
  if (errno !== undefined && sqlState !== undefined) return toServerFault(error, errno, server, statement);
  // mysql2 has no codes for these.
  if (fatal === true || /^Pool is closed|in closed state$/.test(error.message)) {
    return unreachable(server, "connection lost");
  }
  return error;
}

function toServerFault(
  error: MysqlError,
  errno: number,
  server: ServerPlace,
  statement: FailedStatement | undefined,
): Error {
  const sql = statement?.sql;
  const message = error.sqlMessage ?? "";
  switch (errno) {
    case 1062:
      return new ConstraintError("unique", { table: toTable(sql) });
    case TOO_MANY_ROWS:
      if (sql?.includes(WRONG_CONFLICT) !== true)
        return failedQuery("other", "a subquery has several rows", sql);
      return new ConstraintError("unique", { table: toTable(sql) });
    case 1216:
    case 1217:
    case 1451:
    case 1452:
      return new ConstraintError("foreign_key", toForeignKey(message));
    case 1048:
    case 1364:
      return missingValue(/^\w+ '([^']+)'/.exec(message)?.[1] ?? "", toTable(sql), sql);
    case 3819:
    case 4025:
      return refusedByCheck(toCheck(message), toTable(sql), sql);
    case 1051:
    case 1146:
      return missingTable(/'(?:[^'.]*\.)?([^']+)'/.exec(message)?.[1] ?? "", sql);
    case 1054:
      return missingColumn((/^Unknown column '([^']+)'/.exec(message)?.[1] ?? "").replace(/^.*\./, ""), sql);
    case 1020:
    case 1213:
      return failedQuery("serialization", "it was given up for another transaction; try again", sql);
    case 1205:
      return failedQuery("busy", "another transaction holds a lock", sql);
    case 1317:
    case 1969:
    case 3024:
      return failedQuery("busy", "it took longer than it may", sql);
    case 1044:
      return wrongCredentials(server, `this user may not use the database "${server.database}"`);
    case 1045:
    case 1698:
      return wrongCredentials(server);
    case 1049:
      return missingDatabase(server);
    default:
      return toOtherFault(message, errno, server, statement, error.sqlState ?? "");
  }
}

function toOtherFault(
  message: string,
  errno: number,
  server: ServerPlace,
  statement: FailedStatement | undefined,
  sqlState: string,
): Error {
  const sql = statement?.sql;
  const reason = VALUE_REASONS[errno];
  if (reason !== undefined) return unfitValue(toValueColumn(message), reason, sql);
  if (UNAVAILABLE.has(errno))
    return unreachable(server, "it is stopping, or has no more connections to give");
  if (READ_ONLY.has(errno)) return failedQuery("readonly", "the database only reads now", sql);
  if (FULL.has(errno)) return failedQuery("full", "the database's disk is full", sql);
  if (CORRUPT.has(errno)) return failedQuery("corrupt", `error ${errno}; check its tables`, sql);
  if (DENIED.has(errno)) return failedQuery("credentials", `user "${server.user}" may not do this`, sql);
  if (errno === SYNTAX_ERROR && statement?.hasValues !== false) {
    return failedQuery("syntax", "its SQL isn't right", sql);
  }
  if (sqlState.startsWith("42") || errno === CANNOT_CREATE_TABLE) return failedQuery("syntax", message, sql);
  return failedQuery("other", `error ${errno}`, sql);
}

/** The table that a write is about; the server's message names none. */
function toTable(sql: string | undefined): string | undefined {
  return /^(?:with .* )?(?:insert (?:ignore )?into|update|delete from|replace into) [`"]?(\w+)/is.exec(
    sql ?? "",
  )?.[1];
}

/** From "… fails (`db`.`posts`, CONSTRAINT `x` FOREIGN KEY (`author_id`) REFERENCES …)", quoted as the SQL mode has it. */
function toForeignKey(message: string): { table?: string; columns: string[] } {
  const found = /\([`"][^`"]*[`"]\.[`"]([^`"]*)[`"], CONSTRAINT .*? FOREIGN KEY \(([^)]*)\)/.exec(message);
  const columns = found?.[2]?.split(", ").map((column) => column.replaceAll(/[`"]/g, "")) ?? [];
  return found?.[1] === undefined ? { columns } : { table: found[1], columns };
}

/** MariaDB: "CONSTRAINT `x` failed for `db`.`t`"; MySQL: "Check constraint 'x' is violated." */
function toCheck(message: string): string {
  return /^(?:CONSTRAINT|Check constraint) [`"']([^`"']+)[`"']/.exec(message)?.[1] ?? "";
}

/** The value before it may hold anything: only the end of the message is read. */
function toValueColumn(message: string): string | undefined {
  return /for column (?:[`"][^`"]*[`"]\.[`"][^`"]*[`"]\.)?[`"']([^`"']+)[`"'] at row \d+$/.exec(message)?.[1];
}

/** The violated key that a message about a duplicate names: "PRIMARY", "users_email_unique". */
export function toDuplicateKey(error: unknown): string | null {
  if (!(error instanceof Error) || (error as MysqlError).errno !== 1062) return null;
  return /for key '(?:[^']*\.)?([^'.]+)'$/.exec((error as MysqlError).sqlMessage ?? "")?.[1] ?? null;
}
