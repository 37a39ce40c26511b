import { getTableColumns, getTableName, type Table } from "drizzle-orm";
import { fail } from "../contract/error-codes.ts";

type Row = Readonly<Record<string, unknown>>;

// The fields of drizzle's builders, which its types hide.
interface UpdateBuilder {
  readonly table: Table;
  set(values: Row): unknown;
}

interface InsertBuilder {
  readonly table: Table;
  values(rows: Row | readonly Row[]): unknown;
}

interface Insert {
  readonly config: { readonly table: Table };
  onConflictDoUpdate(upsert: Upsert): unknown;
}

interface Upsert {
  readonly set: Row;
}

/**
 * Makes sure that there is something to write: rows often come from a request as they are.
 *
 * @throws AppError `validation_error`, where drizzle would throw an Error or write SQL that isn't right
 */
export function assertChanges(table: Table, values: Row): void {
  const columns: Row = getTableColumns(table);
  for (const name in values) if (values[name] !== undefined && columns[name] !== undefined) return;
  throw nothingTo("change", table);
}

/** @throws AppError `validation_error` for an empty list */
export function assertRows(table: Table, rows: Row | readonly Row[]): void {
  if (Array.isArray(rows) && rows.length === 0) throw nothingTo("insert", table);
}

/** Has drizzle's builder of an update check what it is given. @returns the same builder */
export function guardUpdate<Builder extends object>(builder: Builder): Builder {
  return Object.assign(builder, { set: checkedSet });
}

/** Has drizzle's builder of an insert check what it and its upsert are given. @returns the same builder */
export function guardInsert<Builder extends object>(builder: Builder): Builder {
  return Object.assign(builder, { values: checkedValues });
}

// Functions that are made once, in place of methods: closures would cost each write more than their check.

function checkedSet(this: UpdateBuilder, values: Row): unknown {
  assertChanges(this.table, values);
  return methodsOf(this).set.call(this, values);
}

function checkedValues(this: InsertBuilder, rows: Row | readonly Row[]): unknown {
  assertRows(this.table, rows);
  const insert = methodsOf(this).values.call(this, rows) as Insert;
  insert.onConflictDoUpdate = checkedUpsert;
  return insert;
}

function checkedUpsert(this: Insert, upsert: Upsert): unknown {
  assertChanges(this.config.table, upsert.set);
  return methodsOf(this).onConflictDoUpdate.call(this, upsert);
}

function methodsOf<T extends object>(builder: T): T {
  return Object.getPrototypeOf(builder) as T;
}

function nothingTo(what: "change" | "insert", table: Table): Error {
  const message = `Cannot ${what === "change" ? "update" : "insert into"} "${getTableName(table)}": there is nothing to ${what}`;
  return fail("validation_error", message, { errors: [{ path: "", code: "required", message }] });
}
