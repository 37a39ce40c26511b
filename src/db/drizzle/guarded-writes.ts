import { getTableColumns, getTableName, type Table } from "drizzle-orm";
import { fail } from "../contract/error-codes.ts";

type Row = Readonly<Record<string, unknown>>;

interface UpdateBuilder {
  set(values: Row): unknown;
}

interface InsertBuilder {
  values(rows: Row | readonly Row[]): unknown;
}

interface Insert {
  onConflictDoUpdate(config: { readonly set: Row }): unknown;
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
export function guardUpdate<Builder extends object>(builder: Builder, table: Table): Builder {
  const update = builder as unknown as UpdateBuilder;
  const set = update.set.bind(update);
  update.set = (values) => {
    assertChanges(table, values);
    return set(values);
  };
  return builder;
}

/** Has drizzle's builder of an insert check what it and its upsert are given. @returns the same builder */
export function guardInsert<Builder extends object>(builder: Builder, table: Table): Builder {
  const insert = builder as unknown as InsertBuilder;
  const values = insert.values.bind(insert);
  insert.values = (rows) => {
    assertRows(table, rows);
    const made = values(rows) as Insert;
    const upsert = made.onConflictDoUpdate.bind(made);
    made.onConflictDoUpdate = (config) => {
      assertChanges(table, config.set);
      return upsert(config);
    };
    return made;
  };
  return builder;
}

function nothingTo(what: "change" | "insert", table: Table): Error {
  const message = `Cannot ${what === "change" ? "update" : "insert into"} "${getTableName(table)}": there is nothing to ${what}`;
  return fail("validation_error", message, { errors: [{ path: "", code: "required", message }] });
}
