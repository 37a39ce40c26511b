import { type Column, getTableName, is, SQL, Table, View } from "drizzle-orm";
import type { Dialect } from "../../contract/driver.ts";
import {
  createDialectTables,
  type DialectColumn,
  type DialectTables,
  type ForeignKey,
  type TableConfig,
} from "../../drizzle/table-parts.ts";
import { type SearchIndex, searchIndexOf } from "../../schema/column-kind.ts";
import type { ColumnModel, ForeignKeyModel, IndexModel, SchemaModel, TableModel } from "./table-model.ts";
import { InvalidMigrationError } from "../error.ts";

/** Reads the tables among what a schema exports. @throws InvalidMigrationError naming what isn't to be had on every database */
export function readSchema(dialect: Dialect, schema: Readonly<Record<string, unknown>>): SchemaModel {
  const tables = createDialectTables(dialect);
  const found = Object.entries(schema).flatMap(([key, value]) => {
    refuse(is(value, View), `the view "${key}"`);
    if (!is(value, Table)) return [];
    refuse(!tables.isTable(value), `the table "${key}", which isn't made with "xcore/schema",`);
    return [withSearchIndex(readTable(tables.readConfig(value), dialect, tables), searchIndexOf(value))];
  });
  const schemaModel = new Map(found.map((table) => [table.name, table]));
  for (const { name, indexes } of found) {
    for (const [index, { kind }] of indexes) {
      const isTable = kind === "search index" && schemaModel.has(index);
      refuse(isTable, `the search index "${index}" of table "${name}", as a table has the same name,`);
    }
  }
  return schemaModel;
}

function withSearchIndex(table: TableModel, index: SearchIndex | null): TableModel {
  if (index === null) return table;
  const { name, columns } = index;
  return { ...table, indexes: new Map([...table.indexes, [name, { kind: "search index", columns }]]) };
}

function readTable(table: TableConfig, dialect: Dialect, tables: DialectTables): TableModel {
  const { name, columns, primaryKeys, checks } = table;
  refuse(table.schema !== undefined, `the schema of table "${name}"`);
  const [key] = primaryKeys;
  const primaryKey = toNames(key?.columns ?? columns.filter((column) => column.primary));
  return {
    name,
    columns: new Map(columns.map((column) => [column.name, readColumn(column, primaryKey, tables)])),
    primaryKey,
    indexes: readIndexes(table, dialect),
    foreignKeys: new Map(table.foreignKeys.map((one) => readForeignKey(one, name))),
    // A column with its table before it is refused where the table is rebuilt under another name.
    checks: new Map(
      checks.map((check) => [
        check.name,
        tables.toText(check.value).replaceAll(`"${name}".`, "").replaceAll(`\`${name}\`.`, ""),
      ]),
    ),
  };
}

function readColumn(
  column: DialectColumn,
  primaryKey: readonly string[],
  tables: DialectTables,
): ColumnModel {
  const { name, generated, generatedIdentity, autoIncrement, hasOnUpdateNow, notNull } = column;
  const shown = `of column "${name}"`;
  refuse(generated !== undefined, `the expression ${shown}`);
  refuse(hasOnUpdateNow === true, `onUpdateNow() ${shown}`);
  return {
    name,
    type: column.getSQLType(),
    isNotNull: notNull || primaryKey.includes(name),
    isCounted: autoIncrement === true || generatedIdentity !== undefined,
    default: readDefault(column, tables),
  };
}

function readDefault(column: Column, tables: DialectTables): string | null {
  const value: unknown = column.default;
  if (value === undefined || value === null) return null;
  if (is(value, SQL)) return tables.toText(value.inlineParams());
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return refuse(true, `the default of column "${column.name}"`);
}

function readIndexes(
  { columns, indexes, uniqueConstraints }: TableConfig,
  dialect: Dialect,
): Map<string, IndexModel> {
  const models = new Map<string, IndexModel>();
  for (const { config } of indexes) {
    const { name, unique = false, where, method = "btree" } = config;
    refuse(where !== undefined || method !== "btree", `the condition or method of index "${name}"`);
    const names = config.columns.map((column) => {
      const isPlain = !is(column, SQL) && (column.indexConfig?.order ?? "asc") === "asc";
      refuse(!isPlain, `an expression or order in index "${name}"`);
      return is(column, SQL) ? "" : column.name;
    });
    models.set(name, { kind: unique ? "unique index" : "index", columns: names });
  }
  // SQLite has no others than indexes.
  const kind = dialect === "sqlite" ? "unique index" : "unique constraint";
  for (const column of columns) {
    if (column.isUnique) models.set(column.uniqueName ?? column.name, { kind, columns: [column.name] });
  }
  for (const unique of uniqueConstraints) {
    refuse(unique.nullsNotDistinct === true, `nullsNotDistinct() of "${unique.name}"`);
    models.set(unique.name, { kind, columns: toNames(unique.columns) });
  }
  return models;
}

/** Asks for the target now: the function that gives it may throw, or give `undefined` where files import each other. */
function readForeignKey(key: ForeignKey, table: string): [name: string, model: ForeignKeyModel] {
  try {
    const { columns, foreignColumns, foreignTable } = key.reference();
    const model = {
      columns: toNames(columns),
      toTable: getTableName(foreignTable),
      toColumns: toNames(foreignColumns),
      onDelete: key.onDelete ?? "no action",
      onUpdate: key.onUpdate ?? "no action",
    };
    return [key.getName(), model];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidMigrationError(
      `Cannot generate a migration: a reference of table "${table}" doesn't lead to a column: ${reason}`,
    );
  }
}

function toNames(columns: readonly Column[]): string[] {
  return columns.map((column) => column.name);
}

function refuse(isFound: true, what: string): never;
function refuse(isFound: boolean, what: string): void;
function refuse(isFound: boolean, what: string): void {
  if (isFound)
    throw new InvalidMigrationError(`Cannot generate a migration: ${what} can't be had on every database`);
}
