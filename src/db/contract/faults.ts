import { DatabaseError, type DatabaseFault } from "./database-error.ts";

/** A statement that failed, and what its database says of it. */
export interface Failure {
  /** With its placeholders; undefined where none was run, such as while connecting. */
  readonly sql: string | undefined;
}

/** What one error comes to: a fault with its message, or the error itself where it says more. */
export type Meaning<F extends Failure> =
  | readonly [fault: DatabaseFault, message: string]
  | ((failure: F) => Error);

/** What the errors of one database mean, by its own codes or families of codes. */
export type FaultTable<F extends Failure> = Readonly<Record<string, Meaning<F>>>;

/**
 * Looks an error up.
 *
 * @param codes of the error, the most exact one first
 * @returns null when the table knows none of them
 */
export function findFault<F extends Failure>(
  table: FaultTable<F>,
  codes: readonly string[],
  failure: F,
): Error | null {
  const known = codes.find((code) => Object.hasOwn(table, code));
  const meaning = known === undefined ? undefined : table[known];
  if (meaning === undefined) return null;
  if (typeof meaning === "function") return meaning(failure);
  const [fault, message] = meaning;
  return new DatabaseError(fault, message, { sql: failure.sql });
}

/** Writes one meaning of several codes into a table. */
export function alike<F extends Failure>(codes: readonly string[], meaning: Meaning<F>): FaultTable<F> {
  return Object.fromEntries(codes.map((code) => [code, meaning]));
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

/** @param by the table that refers to it; undefined where the database doesn't say */
export function droppedReference(
  table: string,
  by: string | undefined,
  sql: string | undefined,
): DatabaseError {
  const other = by === undefined ? "another table" : `table "${by}"`;
  return new DatabaseError("other", `Cannot drop table "${table}": ${other} refers to it`, { sql, table });
}

/** @param reason without values of the query */
export function failedQuery(fault: DatabaseFault, reason: string, sql?: string): DatabaseError {
  return new DatabaseError(fault, `Cannot run the query: ${reason}`, { sql });
}

/** What the wait for another process that migrates comes to. */
export function migratedElsewhere(timeoutMs: number): DatabaseError {
  return new DatabaseError(
    "busy",
    `Cannot migrate the database: another process has been migrating it for ${timeoutMs / 1000} s`,
  );
}
