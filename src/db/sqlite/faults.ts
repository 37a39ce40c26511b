import { AppError } from "../../errors/errors.ts";
import { ConstraintError, DatabaseError, type DatabaseFault } from "../contract/database-error.ts";
import { failedQuery, missingColumn, missingTable } from "../server/faults.ts";

export interface FailedStatement {
  /** The statement with its placeholders. */
  readonly sql?: string | undefined;
  /**
   * Whether what SQLite says can hold no value: where a statement is prepared no value is bound yet, and
   * migrations bind none of users.
   */
  readonly showsReason?: boolean;
}

/**
 * Turns what bun:sqlite throws into an error that holds no value of the query. What is no error of SQLite is
 * returned as it is.
 */
export function toSqliteFault(error: unknown, statement: FailedStatement = {}): unknown {
  if (error instanceof DatabaseError || error instanceof AppError || !(error instanceof Error)) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : null;
  if (error.message === "Invalid SQL statement") {
    return new DatabaseError("syntax", "Cannot run the query: it is empty", { sql: statement.sql });
  }
  if (code === null || !code.startsWith("SQLITE_")) return error;
  if (code.startsWith("SQLITE_CONSTRAINT")) return toConstraint(code, error.message, statement.sql);
  if (code === "SQLITE_ERROR") return toSqlError(error.message, statement);
  const { fault, message } = faultOf(code);
  return new DatabaseError(fault, message, { sql: statement.sql });
}

function faultOf(code: string): { fault: DatabaseFault; message: string } {
  const [, family = ""] = code.split("_");
  switch (family) {
    case "BUSY":
    case "LOCKED":
      return { fault: "busy", message: "Cannot use the database: another process has locked it" };
    case "FULL":
      return { fault: "full", message: "Cannot write to the database: no space is left on its disk" };
    case "IOERR":
      // Where the shared memory beside the file finds no space SQLite knows no more than this either.
      return { fault: "other", message: `Cannot use the database: its disk is full, or fails (${code})` };
    case "CORRUPT":
      return {
        fault: "corrupt",
        message: 'Cannot use the database: its file is damaged; restore a backup with "xcore db restore"',
      };
    case "NOTADB":
      return {
        fault: "corrupt",
        message:
          'Cannot use the database: its file is not an SQLite database; restore a backup with "xcore db restore"',
      };
    case "READONLY":
    case "PERM":
    case "AUTH":
      return { fault: "readonly", message: "Cannot write to the database: it may only be read" };
    case "CANTOPEN":
      return { fault: "unavailable", message: "Cannot open the database: its file can't be opened" };
    case "TOOBIG":
    case "MISMATCH":
    case "RANGE":
      return { fault: "value", message: "Cannot run the query: a value doesn't fit where it is used" };
    default:
      return { fault: "other", message: `Cannot run the query: SQLite answers "${code}"` };
  }
}

function toConstraint(code: string, text: string, sql: string | undefined): Error {
  const detail = text.slice(text.indexOf(": ") + 2);
  switch (code) {
    case "SQLITE_CONSTRAINT_UNIQUE":
    case "SQLITE_CONSTRAINT_PRIMARYKEY":
    case "SQLITE_CONSTRAINT_ROWID":
      return new ConstraintError("unique", toTableAndColumns(detail));
    case "SQLITE_CONSTRAINT_FOREIGNKEY":
      return new ConstraintError("foreign_key", { table: sql === undefined ? undefined : tableWritten(sql) });
    case "SQLITE_CONSTRAINT_NOTNULL": {
      const { table, columns } = toTableAndColumns(detail);
      return new DatabaseError("not_null", `Cannot save: "${columns[0] ?? detail}" has no value`, {
        sql,
        table,
      });
    }
    case "SQLITE_CONSTRAINT_CHECK": {
      const table = sql === undefined ? undefined : tableWritten(sql);
      return new DatabaseError("check", `Cannot save: the check "${detail}" refuses the row`, { sql, table });
    }
    case "SQLITE_CONSTRAINT_DATATYPE":
      return new DatabaseError("value", "Cannot save: a value doesn't fit its column", { sql });
    default:
      return new DatabaseError("other", `Cannot save: SQLite answers "${code}"`, { sql });
  }
}

/** Reads "orders.number, orders.year". */
function toTableAndColumns(detail: string): { table: string | undefined; columns: string[] } {
  const names = detail.split(", ").map((name) => name.split("."));
  if (names.some((parts) => parts.length !== 2)) return { table: undefined, columns: [] };
  return { table: names[0]?.[0], columns: names.map(([, column = ""]) => column) };
}

function tableWritten(sql: string): string | undefined {
  return /^(?:insert into|update|delete from) `([^`]+)`/i.exec(sql)?.[1];
}

const SYNTAX = /^near "|syntax error|^incomplete input|^unrecognized token/;

function toSqlError(text: string, { sql, showsReason = false }: FailedStatement): DatabaseError {
  const table = /^no such table: (?:main\.)?(.+)$/.exec(text)?.[1];
  if (table !== undefined) return missingTable(table, sql);
  const column = /^no such column: (?:.*\.)?"?([^"]+?)"?(?: - .*)?$|has no column named (.+)$/.exec(text);
  if (column !== null) return missingColumn(column[1] ?? column[2] ?? "", sql);
  const fault = SYNTAX.test(text) ? "syntax" : "other";
  return failedQuery(fault, showsReason || fault === "syntax" ? text : "SQLite refused it", sql);
}
