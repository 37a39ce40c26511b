import { AppError } from "../../errors/errors.ts";
import { HTTP_ERROR_CODES } from "../../errors/codes.ts";

/** What went wrong, on every database alike. */
export type DatabaseFault =
  | "not_null" // a required column has no value
  | "check" // a check constraint refused the row
  | "value" // a value doesn't fit its column
  | "parameter" // a query was given what no column can hold, such as undefined
  | "missing_table" // the table isn't there (yet)
  | "missing_column"
  | "syntax"
  | "serialization" // given up for another transaction: serialization failure or deadlock
  | "busy" // waited too long for a lock
  | "full" // no space left
  | "corrupt" // the file isn't a database, or is damaged
  | "credentials" // user, password or right refused
  | "unavailable" // no connection
  | "readonly"
  | "other";

export interface DatabaseErrorOptions {
  readonly cause?: unknown;
  /** The statement with its placeholders; never its values. */
  readonly sql?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
}

/**
 * Something that the database refused or could not do. Not for clients: they get what `toClientError` makes of it,
 * most often `internal_error`, and the log gets this.
 */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  readonly fault: DatabaseFault;
  readonly sql: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;

  constructor(fault: DatabaseFault, message: string, options: DatabaseErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.fault = fault;
    this.sql = options.sql;
    this.table = options.table;
    this.column = options.column;
  }
}

/** Whether something was refused or failed for this reason. */
export function isFault(error: unknown, fault: DatabaseFault): error is DatabaseError {
  return error instanceof DatabaseError && error.fault === fault;
}

const ANY_PLUGIN = '"xcore db generate <plugin>"';

/** Puts a plugin's name into the command that the message of its missing table or column advises. */
export function namePlugin(error: unknown, plugin: string): void {
  if (!(error instanceof DatabaseError) || !error.message.includes(ANY_PLUGIN)) return;
  const name = (text: string): string => text.replace(ANY_PLUGIN, `"xcore db generate ${plugin}"`);
  error.message = name(error.message);
  if (error.stack !== undefined) error.stack = name(error.stack);
}

/** A unique or foreign key refused a write. Clients get it as 409 `conflict`. */
export class ConstraintError extends AppError {
  readonly constraint: "unique" | "foreign_key";
  /** Table and columns, as far as the database names them. */
  readonly table: string | undefined;
  readonly columns: readonly string[];

  constructor(
    constraint: "unique" | "foreign_key",
    options: { table?: string | undefined; columns?: readonly string[]; cause?: unknown },
  ) {
    const message = toMessage(constraint, options.columns ?? []);
    super("conflict", HTTP_ERROR_CODES.conflict.status, message, { cause: options.cause });
    this.constraint = constraint;
    this.table = options.table;
    this.columns = options.columns ?? [];
  }
}

function toMessage(constraint: "unique" | "foreign_key", columns: readonly string[]): string {
  const named = columns.map((column) => `"${column}"`).join(", ");
  if (constraint === "foreign_key") {
    return "Cannot save: a row that it refers to is missing, or a row is still referred to";
  }
  return columns.length === 0
    ? "Cannot save: a row with the same unique value exists"
    : `Cannot save: a row with the same ${named} exists`;
}
