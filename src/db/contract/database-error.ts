import { AppError, type InputProblem } from "../../errors/errors.ts";
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
  | "timeout" // a statement or a transaction took longer than it may
  | "full" // no space left
  | "lost" // the file was deleted, moved or replaced while it is open
  | "corrupt" // the file isn't a database, or is damaged
  | "credentials" // user, password or right refused
  | "unavailable" // no connection
  | "failing" // the server lacks memory, or its disk fails
  | "connections" // the server has no more connections to give
  | "outcome" // a write may have been made, or not: its connection was lost before the answer came
  | "abandoned" // nobody waits for it any more: it wasn't begun
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

/** Where a column's value mostly comes from: the field of its name. The whole request where the column isn't known. */
export function toFieldPath(column: string | undefined): string {
  return column === undefined || column === "" ? "" : `/body/${column}`;
}

/** Which foreign key refused a write, as far as the database says. */
export interface RefusedReference {
  /** Whether a row refers to none that is there, or rows refer to one that was to go or to change. */
  readonly side: "missing" | "referred";
  /** The table that refers, and its columns. */
  readonly table?: string | undefined;
  readonly columns: readonly string[];
  /** The table that is referred to, and its columns. */
  readonly target?: string | undefined;
  readonly targetColumns?: readonly string[] | undefined;
  /** The name of the key. */
  readonly key?: string | undefined;
  /** How many rows refer, counted up to one more than `MAX_COUNTED`. */
  readonly count?: number | undefined;
}

/** Rows that refer are counted up to this. */
export const MAX_COUNTED = 1000;

export interface ConstraintOptions extends Partial<RefusedReference> {
  readonly cause?: unknown;
}

/**
 * A unique or foreign key refused a write. Clients get it as 409 `conflict`; where a row refers to one that isn't there,
 * as 422 `validation_error` on the column.
 */
export class ConstraintError extends AppError {
  readonly constraint: "unique" | "foreign_key";
  /** Of a foreign key: see RefusedReference. Undefined where it isn't known. */
  readonly side: RefusedReference["side"] | undefined;
  /** Table and columns, as far as the database names them. */
  readonly table: string | undefined;
  readonly columns: readonly string[];
  /** Of a foreign key: the table that is referred to, and its columns, as far as the database names them. */
  readonly target: string | undefined;
  readonly targetColumns: readonly string[];
  /** Its name. */
  readonly key: string | undefined;
  #owner: string | null = null;
  #count: number | null;

  constructor(constraint: "unique" | "foreign_key", options: ConstraintOptions) {
    const { table, columns = [], side, cause } = options;
    const message = toMessage(constraint, options);
    const isMissing = side === "missing";
    const code = isMissing ? "validation_error" : "conflict";
    super(code, HTTP_ERROR_CODES[code].status, message, {
      cause,
      ...(isMissing && { errors: toMissingErrors(columns, message) }),
    });
    this.constraint = constraint;
    this.side = side;
    this.table = table;
    this.columns = columns;
    this.target = options.target;
    this.targetColumns = options.targetColumns ?? [];
    this.key = options.key;
    this.#count = options.count ?? null;
  }

  /** The query that finds out whose the table is that refers; null where there is nothing to find out. */
  get ownerQuery(): string | null {
    const isKnown = this.side === "referred" && this.table !== undefined && /^\w+$/.test(this.table);
    return isKnown && this.#owner === null
      ? `select owner from xcore_tables where name = '${this.table}'`
      : null;
  }

  /** How many rows refer, counted up to one more than `MAX_COUNTED`; null where they weren't counted. */
  get count(): number | null {
    return this.#count;
  }

  /** Says in the message whose the table is that refers. */
  nameOwner(owner: string): void {
    this.#owner = owner;
    this.message = toReferredMessage(this.table, { owner, count: this.#count });
  }

  /** Says in the message how many rows refer, counted up to one more than `MAX_COUNTED`. */
  tellCount(count: number): void {
    this.#count = count;
    this.message = toReferredMessage(this.table, { owner: this.#owner, count });
  }
}

/** Says how many rows refer: "1 row", "more than 1000 rows", "rows". */
export function sayRows(count: number | null): string {
  if (count === null) return "rows";
  if (count > MAX_COUNTED) return `more than ${MAX_COUNTED} rows`;
  return `${count} row${count === 1 ? "" : "s"}`;
}

function toReferredMessage(
  table: string | undefined,
  { owner, count }: { readonly owner: string | null; readonly count: number | null },
): string {
  const rows = sayRows(count);
  const of = table === undefined ? "" : ` of "${table}"`;
  const whose = owner === null ? "" : owner === "core" ? " of xcore itself" : ` of plugin "${owner}"`;
  return `Cannot delete or change the row: ${rows}${of}${whose} ${count === 1 ? "refers" : "refer"} to it`;
}

function toMessage(
  constraint: "unique" | "foreign_key",
  { table, columns = [], side, target, count }: ConstraintOptions,
): string {
  const named = columns.map((column) => `"${column}"`).join(", ");
  if (constraint === "foreign_key") {
    if (side === "referred") return toReferredMessage(table, { owner: null, count: count ?? null });
    if (side === "missing") {
      const row = target === undefined ? "a row" : `a row of "${target}"`;
      return `Cannot save: ${named === "" ? "it" : named} refers to ${row} that doesn't exist`;
    }
    return "Cannot save: a row that it refers to is missing, or a row is still referred to";
  }
  return columns.length === 0
    ? "Cannot save: a row with the same unique value exists"
    : `Cannot save: a row with the same ${named} exists`;
}

function toMissingErrors(columns: readonly string[], message: string): InputProblem[] {
  const code = "missing_reference";
  if (columns.length === 0) return [{ path: "", code, message }];
  return columns.map((column) => ({ path: toFieldPath(column), code, message }));
}
