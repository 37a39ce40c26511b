import { AppError } from "../../../errors/errors.ts";
import { ConstraintError, DatabaseError, type RefusedReference } from "../../contract/database-error.ts";
import {
  alike,
  type Failure,
  type FaultTable,
  failedQuery,
  findFault,
  missingColumn,
  missingTable,
} from "../../contract/faults.ts";

interface SqliteFailure extends Failure {
  readonly code: string;
  readonly message: string;
  readonly showsReason: boolean;
  readonly findReference: () => RefusedReference | null;
}

/** By SQLite's extended codes, or the primary code before them. @see https://www.sqlite.org/rescode.html */
const FAULTS: FaultTable<SqliteFailure> = {
  ...alike(
    ["SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID"],
    ({ message }) => new ConstraintError("unique", toTableAndColumns(message)),
  ),
  SQLITE_CONSTRAINT_FOREIGNKEY: toReferenceError,
  // A key with "restrict" is a trigger to SQLite.
  SQLITE_CONSTRAINT_TRIGGER: (failure) =>
    failure.message === "FOREIGN KEY constraint failed"
      ? toReferenceError(failure)
      : toOtherConstraint(failure),
  SQLITE_CONSTRAINT_NOTNULL({ message, sql }) {
    const { table, columns } = toTableAndColumns(message);
    const text = `Cannot save: "${columns[0] ?? toDetail(message)}" has no value`;
    return new DatabaseError("not_null", text, { sql, table, column: columns[0] });
  },
  SQLITE_CONSTRAINT_CHECK({ message, sql }) {
    const table = tableWritten(sql);
    const column = toLimitedColumn(toDetail(message), table);
    if (column !== null) {
      const limited = `Cannot use the value of "${column}": it is too long for its column`;
      return new DatabaseError("value", limited, { sql, table, column });
    }
    const text = `Cannot save: the check "${toDetail(message)}" refuses the row`;
    return new DatabaseError("check", text, { sql, table });
  },
  SQLITE_CONSTRAINT_DATATYPE: ["value", "Cannot save: a value doesn't fit its column"],
  SQLITE_CONSTRAINT: toOtherConstraint,
  ...alike(
    ["SQLITE_BUSY", "SQLITE_LOCKED"],
    ["busy", "Cannot use the database: another process has locked it"],
  ),
  // The latter is of the shared memory beside the file.
  ...alike(
    ["SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"],
    ["full", "Cannot write to the database: no space is left on its disk"],
  ),
  // What is in the log may be found there when it is next opened.
  ...alike(
    ["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC"],
    ["outcome", "Cannot tell whether the write was made: the disk of the database fails"],
  ),
  SQLITE_IOERR: ({ code, sql }) =>
    new DatabaseError("failing", `Cannot use the database: its disk is full, or fails (${code})`, { sql }),
  SQLITE_CORRUPT: [
    "corrupt",
    'Cannot use the database: its file is damaged; restore a backup with "xcore db restore"',
  ],
  SQLITE_NOTADB: [
    "corrupt",
    'Cannot use the database: its file is not an SQLite database; restore a backup with "xcore db restore"',
  ],
  ...alike(
    ["SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"],
    ["readonly", "Cannot write to the database: it may only be read"],
  ),
  SQLITE_INTERRUPT: [
    "timeout",
    'Cannot finish the query: it took longer than "database.statement_timeout"; add an index for what it looks for or sorts by',
  ],
  SQLITE_CANTOPEN: ["unavailable", "Cannot open the database: its file can't be opened"],
  ...alike(
    ["SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_RANGE"],
    ["value", "Cannot run the query: a value doesn't fit where it is used"],
  ),
  SQLITE_ERROR: toSqlError,
  SQLITE: ({ code, sql }) => failedQuery("other", `SQLite answers "${code}"`, sql),
};

export interface FailedStatement {
  /** The statement with its placeholders. */
  readonly sql?: string | undefined;
  /**
   * Whether what SQLite says can hold no value: where a statement is prepared no value is bound yet, and
   * migrations bind none of users.
   */
  readonly showsReason?: boolean;
  /** Finds out which foreign key refused it. @default it isn't found out */
  readonly findReference?: () => RefusedReference | null;
}

/**
 * Turns what bun:sqlite throws into an error that holds no value of the query. What is no error of SQLite is
 * returned as it is.
 */
export function toSqliteFault(error: unknown, statement: FailedStatement = {}): unknown {
  if (error instanceof DatabaseError || error instanceof AppError || !(error instanceof Error)) return error;
  const { sql, showsReason = false, findReference = () => null } = statement;
  if (error.message === "Invalid SQL statement") return failedQuery("syntax", "it is empty", sql);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const [sqlite = "", primary = ""] = code.split("_");
  const codes = [code, `${sqlite}_${primary}`, sqlite];
  const failure = { code, message: error.message, sql, showsReason, findReference };
  return findFault(FAULTS, codes, failure) ?? error;
}

function toReferenceError({ sql, findReference }: SqliteFailure): ConstraintError {
  return new ConstraintError("foreign_key", findReference() ?? { table: tableWritten(sql) });
}

function toOtherConstraint({ code, sql }: SqliteFailure): DatabaseError {
  return new DatabaseError("other", `Cannot save: SQLite answers "${code}"`, { sql });
}

/** "orders.number" of "UNIQUE constraint failed: orders.number". */
function toDetail(message: string): string {
  return message.slice(message.indexOf(": ") + 2);
}

/** The column whose length a check limits, which is a part of its type elsewhere; null for any other check. */
function toLimitedColumn(check: string, table: string | undefined): string | null {
  const [start, end] = [`${table}_`, "_length"];
  const isLength = table !== undefined && check.startsWith(start) && check.endsWith(end);
  return isLength && check.length > start.length + end.length ? check.slice(start.length, -end.length) : null;
}

/** Reads "orders.number, orders.year". */
function toTableAndColumns(message: string): { table: string | undefined; columns: string[] } {
  const names = toDetail(message)
    .split(", ")
    .map((name) => name.split("."));
  if (names.some((parts) => parts.length !== 2)) return { table: undefined, columns: [] };
  return { table: names[0]?.[0], columns: names.map(([, column = ""]) => column) };
}

function tableWritten(sql: string | undefined): string | undefined {
  return /^(?:insert into|update|delete from) `([^`]+)`/i.exec(sql ?? "")?.[1];
}

const SYNTAX = /^near "|syntax error|^incomplete input|^unrecognized token/;

function toSqlError({ message: text, sql, showsReason }: SqliteFailure): DatabaseError {
  const table = /^no such table: (?:main\.)?(.+)$/.exec(text)?.[1];
  if (table !== undefined) return missingTable(table, sql);
  const column = /^no such column: (?:.*\.)?"?([^"]+?)"?(?: - .*)?$|has no column named (.+)$/.exec(text);
  if (column !== null) return missingColumn(column[1] ?? column[2] ?? "", sql);
  if (text === "integer overflow") {
    return failedQuery("value", "a number is out of its column's range, or SQLite's", sql);
  }
  const fault = SYNTAX.test(text) ? "syntax" : "other";
  return failedQuery(fault, showsReason || fault === "syntax" ? text : "SQLite refused it", sql);
}
