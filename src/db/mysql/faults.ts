import { ConstraintError, DatabaseError, type RefusedReference } from "../contract/database-error.ts";
import {
  alike,
  type FaultTable,
  droppedReference,
  failedQuery,
  findFault,
  missingColumn,
  missingTable,
} from "../contract/faults.ts";
import {
  missingDatabase,
  missingValue,
  noConnectionLeft,
  refusedByCheck,
  type ServerFailure,
  type ServerPlace,
  toConnectionFault,
  unfitValue,
  unreachable,
  unreachableBy,
  wrongCredentials,
} from "../server/faults.ts";

interface MysqlError extends Error {
  readonly errno?: number | undefined;
  readonly code?: string | undefined;
  readonly sqlState?: string | undefined;
  readonly sqlMessage?: string | undefined;
  readonly fatal?: boolean | undefined;
}

interface MysqlFailure extends ServerFailure {
  readonly errno: number;
  readonly message: string;
  readonly hasValues: boolean;
}

const REFUSED =
  /\([`"][^`"]*[`"]\.[`"]([^`"]*)[`"], CONSTRAINT .*? FOREIGN KEY \(([^)]*)\) REFERENCES (?:[`"][^`"]*[`"]\.)?[`"]([^`"]*)[`"] \(([^)]*)\)/;

/** The subquery that refuses an upsert whose conflict is another than the target; see conflicts.ts. */
export const WRONG_CONFLICT = "(select 1 union all select 2)";

const FULL = "Cannot run the query: the database's disk is full";

/**
 * By the number of the error, or the class of its SQLSTATE.
 *
 * @see https://mariadb.com/kb/en/mariadb-error-codes/
 */
const FAULTS: FaultTable<MysqlFailure> = {
  "1062": ({ message, sql }) =>
    new ConstraintError("unique", { table: toTable(sql), columns: toNewKeyColumns(message, sql) }),
  "1242": ({ sql }) =>
    sql?.includes(WRONG_CONFLICT) === true
      ? new ConstraintError("unique", { table: toTable(sql) })
      : failedQuery("other", "a subquery has several rows", sql),
  ...alike(
    ["1216", "1452"],
    ({ message }) => new ConstraintError("foreign_key", toReference("missing", message)),
  ),
  ...alike(["1217", "1451"], ({ message, sql }) => {
    const reference = toReference("referred", message);
    const dropped = /^\s*drop\s+table\s+(?:if\s+exists\s+)?[`"]?(\w+)/i.exec(sql ?? "")?.[1];
    return dropped === undefined
      ? new ConstraintError("foreign_key", reference)
      : droppedReference(dropped, reference.table, sql);
  }),
  "3730": ({ message, sql }) => {
    const [, table = "", by] = /^Cannot drop table '([^']+)' .* on table '([^']+)'/.exec(message) ?? [];
    return droppedReference(table, by, sql);
  },
  ...alike(["1048", "1364"], ({ message, sql }) =>
    missingValue(/^\w+ '([^']+)'/.exec(message)?.[1] ?? "", toTable(sql), sql),
  ),
  ...alike(["3819", "4025"], ({ message, sql }) => refusedByCheck(toCheck(message), toTable(sql), sql)),
  ...alike(["1051", "1146"], ({ message, sql }) =>
    missingTable(/'(?:[^'.]*\.)?([^']+)'/.exec(message)?.[1] ?? "", sql),
  ),
  "1054": ({ message, sql }) =>
    missingColumn((/^Unknown column '([^']+)'/.exec(message)?.[1] ?? "").replace(/^.*\./, ""), sql),
  "1072": ({ message, sql }) => missingColumn(/^Key column '([^']+)'/.exec(message)?.[1] ?? "", sql),
  "1091": ({ message, sql }) => {
    const column = /^Can't DROP COLUMN [`']([^`']+)[`']/.exec(message)?.[1];
    return column === undefined ? failedQuery("syntax", message, sql) : missingColumn(column, sql);
  },
  ...alike(["1142", "1143", "1227", "1370"], ({ server, sql }) =>
    failedQuery("credentials", `user "${server.user}" may not do this`, sql),
  ),
  "1064": ({ message, hasValues, sql }) =>
    failedQuery("syntax", hasValues ? "its SQL isn't right" : message, sql),
  ...alike(["1005", "42"], ({ message, sql }) => failedQuery("syntax", message, sql)),
  ...alike(
    ["1020", "1213"],
    ["serialization", "Cannot run the query: it was given up for another transaction; try again"],
  ),
  "1205": ["busy", "Cannot run the query: another transaction holds a lock"],
  "1317": ["busy", "Cannot run the query: it was interrupted"],
  ...alike(["1969", "3024"], ["timeout", "Cannot run the query: it took longer than it may"]),
  ...alike(
    ["1223", "1290", "1792", "1836", "1874"],
    ["readonly", "Cannot run the query: the database only reads now"],
  ),
  ...alike(["1021", "1114"], ["full", FULL]),
  // Of a file or an engine, which name what the system said in their messages.
  ...alike(["3", "1026", "1030", "1180"], ({ errno, message, sql }) =>
    /\b(?:28|122)\b/.test(message)
      ? new DatabaseError("full", FULL, { sql })
      : failedQuery("other", `error ${errno}`, sql),
  ),
  ...alike(["1034", "1035", "1194", "1195", "1712"], ({ errno, sql }) =>
    failedQuery("corrupt", `error ${errno}; check its tables`, sql),
  ),
  ...alike(
    ["1053", "1077", "1079", "1129", "1158", "1159", "1160", "1161", "1927", "4031"],
    unreachableBy("it is stopping, or has ended the connection"),
  ),
  ...alike(
    ["1037", "1038", "1041"],
    ["failing", "Cannot run the query: the server has no more memory to give"],
  ),
  ...alike(["1040", "1135", "1203", "1226"], noConnectionLeft),
  "1044": ({ server }) => wrongCredentials(server, `this user may not use the database "${server.database}"`),
  ...alike(["1045", "1698"], ({ server }) => wrongCredentials(server)),
  ...alike(["1820", "1862"], ({ server }) => wrongCredentials(server, "its password has expired")),
  ...alike(["3118", "4151"], ({ server }) => wrongCredentials(server, "this user is locked")),
  "1130": ({ server }) => wrongCredentials(server, "this host may not connect"),
  "1049": missingDatabase,
  "1153": ["value", "Cannot run the query: its values are larger than the server's max_allowed_packet"],
  "1264": unfitBy("the number is out of its column's range"),
  ...alike(["1265", "1292"], unfitBy("it isn't of its column's type")),
  "1365": unfitBy("division by zero"),
  "1366": unfitBy("it isn't of its column's type, or holds a character that the column can't store"),
  "1406": unfitBy("it is too long for its column"),
  "1411": unfitBy("it isn't a date or time"),
  "1690": unfitBy("the number is out of range"),
};

/** What was run when the error came. */
export interface FailedStatement {
  readonly sql: string;
  /** Whether it had parameters: mysql2 writes them into the text, which the server's messages repeat. */
  readonly hasValues: boolean;
}

/**
 * Turns what mysql2 throws into an error that may be shown and logged: it holds neither values of the query nor
 * credentials. Any other error is returned as it is.
 */
export function toMysqlFault(error: unknown, server: ServerPlace, statement?: FailedStatement): unknown {
  if (!(error instanceof Error) || error instanceof DatabaseError) return error;
  const { errno, code = "", fatal, sqlState, sqlMessage: message = "" } = error as MysqlError;
  const { sql, hasValues = true } = statement ?? {};
  const connection = toConnectionFault(code, { server, sql });
  if (connection !== null) return connection;
  if (errno !== undefined && sqlState !== undefined) {
    const codes = [String(errno), sqlState.slice(0, 2)];
    const fault = findFault(FAULTS, codes, { errno, message, server, sql, hasValues });
    return fault ?? failedQuery("other", `error ${errno}`, sql);
  }
  // mysql2 gives a lost connection and a closed pool no code.
  if (fatal === true || /^Pool is closed|in closed state$/.test(error.message)) {
    return unreachable(server, "connection lost");
  }
  return error;
}

function unfitBy(reason: string): (failure: MysqlFailure) => DatabaseError {
  return ({ message, sql }) => unfitValue(toValueColumn(message), reason, sql);
}

/** The table that a write is about; the server's message names none. */
function toTable(sql: string | undefined): string | undefined {
  return /^(?:with .* )?(?:insert (?:ignore )?into|update|delete from|replace into) [`"]?(\w+)/is.exec(
    sql ?? "",
  )?.[1];
}

/** From "… fails (`db`.`posts`, CONSTRAINT `x` FOREIGN KEY (`author_id`) REFERENCES …)", quoted as the SQL mode has it. */
function toReference(side: RefusedReference["side"], message: string): RefusedReference {
  const [, table, keys = "", target, targetKeys = ""] = REFUSED.exec(message) ?? [];
  return { side, table, columns: toColumns(keys), target, targetColumns: toColumns(targetKeys) };
}

function toColumns(keys: string): string[] {
  return keys === "" ? [] : keys.split(", ").map((column) => column.replaceAll(/[`"]/g, ""));
}

/** The columns of a unique key that a statement would have made; of one that is there already only its name is told. */
function toNewKeyColumns(message: string, sql: string | undefined): string[] {
  const key = toKeyName(message);
  const made = /\bunique\s+(?:index|key)\s+[`"]?(\w+)[`"]?\s*(?:on\s+[`"]?\w+[`"]?\s*)?\(([^)]*)\)/gi;
  const found = [...(sql ?? "").matchAll(made)].find(([, name]) => name === key)?.[2];
  return found?.split(",").map((column) => column.replaceAll(/[`"\s]/g, "")) ?? [];
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
  return toKeyName((error as MysqlError).sqlMessage ?? "");
}

function toKeyName(message: string): string | null {
  return /for key '(?:[^']*\.)?([^'.]+)'$/.exec(message)?.[1] ?? null;
}
