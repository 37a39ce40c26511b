import type { ForeignKeyModel, SchemaModel, TableModel } from "./table-model.ts";
import { InvalidMigrationError } from "../error.ts";

/** A table or column that goes on under another name. */
export interface Rename {
  readonly table: string;
  /** Null renames the table. */
  readonly column: string | null;
  readonly to: string;
}

const RENAME = /^(?<table>[a-z][a-z0-9_]*)(?:\.(?<column>[a-z][a-z0-9_]*))?=(?<to>[a-z][a-z0-9_]*)$/;

/** Reads `table=new_name` or `table.column=new_name`. @throws InvalidMigrationError for anything else */
export function parseRename(text: string): Rename {
  const { table, column = null, to } = RENAME.exec(text)?.groups ?? {};
  if (table === undefined || to === undefined) {
    throw new InvalidMigrationError(
      `Cannot rename "${text}": write "table=new_name" or "table.column=new_name"`,
    );
  }
  return { table, column, to };
}

/** Tables first, and columns by the new names of their tables. */
export function orderRenames(renames: readonly Rename[]): Rename[] {
  const tables = renames.filter(({ column }) => column === null);
  const newNames = new Map(tables.map(({ table, to }) => [table, to]));
  const columns = renames.filter(({ column }) => column !== null);
  return [...tables, ...columns.map((one) => ({ ...one, table: newNames.get(one.table) ?? one.table }))];
}

/**
 * Returns the schema with a table or column renamed, wherever it is named.
 *
 * @throws InvalidMigrationError when there is nothing of that name, or something of the new one
 */
export function applyRename(schema: SchemaModel, rename: Rename): SchemaModel {
  const { table, column, to } = rename;
  const found = schema.get(table);
  const shown = column === null ? table : `${table}.${column}`;
  if (found === undefined || (column !== null && !found.columns.has(column))) {
    throw new InvalidMigrationError(`Cannot rename "${shown}" to "${to}": it isn't in the last migration`);
  }
  if (column === null ? schema.has(to) : found.columns.has(to)) {
    throw new InvalidMigrationError(`Cannot rename "${shown}" to "${to}": there is one already`);
  }
  const renamed = [...schema.values()].map((one) => {
    const own = one.name === table ? renameOwn(one, rename) : one;
    return { ...own, foreignKeys: mapValues(own.foreignKeys, (key) => renameTarget(key, rename)) };
  });
  return new Map(renamed.map((one) => [one.name, one]));
}

/** Throws unless what was renamed is in the new schema, and its old name isn't. */
export function assertRenamed(schema: SchemaModel, { table, column, to }: Rename): void {
  const shown = column === null ? table : `${table}.${column}`;
  const columns = schema.get(table)?.columns;
  const isThere = column === null ? schema.has(to) : columns?.has(to);
  if (isThere !== true)
    throw new InvalidMigrationError(`Cannot rename "${shown}" to "${to}": the schema has no "${to}"`);
  if (column === null ? schema.has(table) : columns?.has(column)) {
    throw new InvalidMigrationError(`Cannot rename "${shown}" to "${to}": the schema still has "${shown}"`);
  }
}

function renameOwn(table: TableModel, { column, to }: Rename): TableModel {
  if (column === null) return { ...table, name: to };
  const swap = (name: string): string => (name === column ? to : name);
  return {
    ...table,
    columns: new Map(
      [...table.columns.values()].map((one) => [swap(one.name), { ...one, name: swap(one.name) }]),
    ),
    primaryKey: table.primaryKey.map(swap),
    indexes: mapValues(table.indexes, (index) => ({ ...index, columns: index.columns.map(swap) })),
    foreignKeys: mapValues(table.foreignKeys, (key) => ({ ...key, columns: key.columns.map(swap) })),
    checks: mapValues(table.checks, (condition) =>
      condition.replaceAll(`"${column}"`, `"${to}"`).replaceAll(`\`${column}\``, `\`${to}\``),
    ),
  };
}

function renameTarget(key: ForeignKeyModel, { table, column, to }: Rename): ForeignKeyModel {
  if (key.toTable !== table) return key;
  if (column === null) return { ...key, toTable: to };
  return { ...key, toColumns: key.toColumns.map((name) => (name === column ? to : name)) };
}

function mapValues<Value>(
  map: ReadonlyMap<string, Value>,
  change: (value: Value) => Value,
): Map<string, Value> {
  return new Map([...map].map(([key, value]) => [key, change(value)]));
}
