import type { Dialect } from "../../contract/driver.ts";
import {
  type ColumnModel,
  type ForeignKeyModel,
  type IndexModel,
  isUnique as isUniqueIndex,
  type SchemaModel,
  type TableModel,
} from "./table-model.ts";

/** A schema as drizzle-kit keeps it beside each migration, so that its tools understand the folder too. */
export interface Snapshot {
  readonly version: string;
  readonly dialect: string;
  readonly id: string;
  readonly prevId: string;
  readonly tables: Readonly<Record<string, SnapshotTable>>;
}

interface SnapshotTable {
  readonly name: string;
  readonly schema?: string; // PostgreSQL's
  readonly columns: Readonly<Record<string, SnapshotColumn>>;
  readonly indexes: Readonly<Record<string, SnapshotIndex>>;
  readonly foreignKeys: Readonly<Record<string, SnapshotForeignKey>>;
  readonly compositePrimaryKeys: Readonly<Record<string, SnapshotKey>>;
  readonly uniqueConstraints: Readonly<Record<string, SnapshotKey>>;
  readonly checkConstraints?: Readonly<Record<string, SnapshotCheck>>;
  readonly checkConstraint?: Readonly<Record<string, SnapshotCheck>>; // MySQL's
}

interface SnapshotColumn {
  readonly name: string;
  readonly type: string;
  readonly primaryKey: boolean;
  readonly notNull: boolean;
  readonly autoincrement?: boolean;
  readonly identity?: object; // PostgreSQL's
  readonly default?: string | number | boolean | null;
}

interface SnapshotIndex {
  readonly name: string;
  readonly columns: readonly (string | { readonly expression: string })[];
  readonly isUnique: boolean;
  readonly method?: string; // PostgreSQL's
  /** Of a search index, which drizzle-kit knows on PostgreSQL alone. */
  readonly using?: string;
}

interface SnapshotKey {
  readonly name: string;
  readonly columns: readonly string[];
}

interface SnapshotForeignKey {
  readonly name: string;
  readonly tableFrom: string;
  readonly tableTo: string;
  readonly columnsFrom: readonly string[];
  readonly columnsTo: readonly string[];
  readonly onDelete?: string;
  readonly onUpdate?: string;
}

interface SnapshotCheck {
  readonly name: string;
  readonly value: string;
}

const NO_ID = "00000000-0000-0000-0000-000000000000";
const META = { schemas: {}, tables: {}, columns: {} };
const FRAMES = {
  sqlite: {
    version: "6",
    dialect: "sqlite",
    views: {},
    enums: {},
    _meta: { tables: {}, columns: {} },
    internal: { indexes: {} },
  },
  postgres: {
    version: "7",
    dialect: "postgresql",
    enums: {},
    schemas: {},
    sequences: {},
    roles: {},
    policies: {},
    views: {},
    _meta: META,
  },
  mysql: {
    version: "5",
    dialect: "mysql",
    views: {},
    _meta: { tables: {}, columns: {} },
    internal: { tables: {}, indexes: {} },
  },
} as const;
const POSTGRES_TABLE = { policies: {}, isRLSEnabled: false };
const POSTGRES_INDEX = { concurrently: false, method: "btree", with: {} };
const POSTGRES_INDEX_COLUMN = { isExpression: false, asc: true, nulls: "last" };
const SEARCH_METHODS = { postgres: "gin", others: "fulltext" };
const IDENTITY = {
  type: "byDefault",
  schema: "public",
  increment: "1",
  startWith: "1",
  minValue: "1",
  maxValue: "9223372036854775807",
  cache: "1",
  cycle: false,
};

/** Returns the snapshot of a schema, linked to the previous one. */
export function toSnapshot(dialect: Dialect, schema: SchemaModel, previous: Snapshot | null): Snapshot {
  const prefix = dialect === "postgres" ? "public." : "";
  const tables = [...schema.values()].map(
    (table) => [prefix + table.name, toSnapshotTable(table, dialect)] as const,
  );
  const ids = { id: crypto.randomUUID(), prevId: previous?.id ?? NO_ID };
  return { ...FRAMES[dialect], tables: Object.fromEntries(tables), ...ids };
}

/** Returns the schema that a snapshot holds. */
export function readSnapshot({ tables }: Snapshot): SchemaModel {
  return new Map(Object.values(tables).map((table) => [table.name, readTable(table)]));
}

function toSnapshotTable(table: TableModel, dialect: Dialect): SnapshotTable {
  const { name, primaryKey, indexes } = table;
  const isMysql = dialect === "mysql";
  const isPostgres = dialect === "postgres";
  const checks = mapEntries(table.checks, (check, value) => ({ name: check, value }));
  const uniques = new Map([...indexes].filter(([, { kind }]) => kind === "unique constraint"));
  const others = new Map([...indexes].filter(([key]) => !uniques.has(key)));
  const key = {
    name: `${name}_${primaryKey.join("_")}${primaryKey.length > 1 ? "_pk" : ""}`,
    columns: primaryKey,
  };
  const hasKey = primaryKey.length > 1 || (isMysql && primaryKey.length === 1);
  return {
    name,
    ...(isPostgres && { schema: "" }),
    columns: mapEntries(table.columns, (_, column) => toColumn(column, table, dialect)),
    indexes: mapEntries(others, (index, model) => toIndex(index, model, isPostgres)),
    foreignKeys: mapEntries(table.foreignKeys, (foreignKey, model) => toForeignKey(foreignKey, name, model)),
    compositePrimaryKeys: hasKey ? { [key.name]: key } : {},
    uniqueConstraints: mapEntries(uniques, (unique, { columns }) => ({
      name: unique,
      columns,
      ...(isPostgres && { nullsNotDistinct: false }),
    })),
    ...(isPostgres && POSTGRES_TABLE),
    ...(isMysql ? { checkConstraint: checks } : { checkConstraints: checks }),
  };
}

function toColumn(
  column: ColumnModel,
  { name: table, primaryKey }: TableModel,
  dialect: Dialect,
): SnapshotColumn {
  const { name, type, isNotNull: notNull, isCounted, default: value } = column;
  const isKey = dialect !== "mysql" && primaryKey.length === 1 && primaryKey[0] === name;
  const isPostgres = dialect === "postgres";
  return {
    name,
    type,
    primaryKey: isKey,
    notNull,
    ...(!isPostgres && { autoincrement: isCounted }),
    ...(isPostgres && isCounted && { identity: { ...IDENTITY, name: `${table}_${name}_seq` } }),
    ...(value !== null && { default: value }),
  };
}

function toIndex(name: string, index: IndexModel, isPostgres: boolean): SnapshotIndex {
  const isUnique = isUniqueIndex(index);
  const isSearch = index.kind === "search index";
  if (!isPostgres)
    return { name, columns: index.columns, isUnique, ...(isSearch && { using: SEARCH_METHODS.others }) };
  const columns = index.columns.map((expression) => ({ expression, ...POSTGRES_INDEX_COLUMN }));
  const method = isSearch ? SEARCH_METHODS.postgres : POSTGRES_INDEX.method;
  return { name, columns, isUnique, ...POSTGRES_INDEX, method };
}

function toForeignKey(name: string, tableFrom: string, key: ForeignKeyModel): SnapshotForeignKey {
  const { columns: columnsFrom, toTable: tableTo, toColumns: columnsTo, onDelete, onUpdate } = key;
  return { name, tableFrom, tableTo, columnsFrom, columnsTo, onDelete, onUpdate };
}

function readTable(table: SnapshotTable): TableModel {
  const {
    name,
    columns,
    uniqueConstraints,
    checkConstraint,
    checkConstraints = checkConstraint ?? {},
  } = table;
  const [key] = Object.values(table.compositePrimaryKeys);
  const indexes = Object.values(table.indexes).map((index) => [index.name, readIndex(index)] as const);
  const uniques = Object.values(uniqueConstraints).map(
    (unique) => [unique.name, { kind: "unique constraint", columns: unique.columns }] as const,
  );
  return {
    name,
    columns: new Map(Object.values(columns).map((column) => [column.name, readColumn(column)])),
    primaryKey:
      key?.columns ?? Object.values(columns).flatMap((column) => (column.primaryKey ? [column.name] : [])),
    indexes: new Map<string, IndexModel>([...indexes, ...uniques]),
    foreignKeys: new Map(Object.values(table.foreignKeys).map((one) => [one.name, readForeignKey(one)])),
    checks: new Map(Object.values(checkConstraints).map((check) => [check.name, check.value])),
  };
}

function readColumn({
  name,
  type,
  notNull,
  autoincrement,
  identity,
  default: value,
}: SnapshotColumn): ColumnModel {
  const isCounted = autoincrement === true || identity !== undefined;
  return { name, type, isNotNull: notNull, isCounted, default: value === undefined ? null : String(value) };
}

function readIndex({ columns, isUnique, method, using }: SnapshotIndex): IndexModel {
  const names = columns.map((column) => (typeof column === "string" ? column : column.expression));
  const isSearch = method === SEARCH_METHODS.postgres || using === SEARCH_METHODS.others;
  if (isSearch) return { kind: "search index", columns: names };
  return { kind: isUnique ? "unique index" : "index", columns: names };
}

function readForeignKey(key: SnapshotForeignKey): ForeignKeyModel {
  const { columnsFrom: columns, tableTo: toTable, columnsTo: toColumns } = key;
  const { onDelete = "no action", onUpdate = "no action" } = key;
  return { columns, toTable, toColumns, onDelete, onUpdate };
}

function mapEntries<Value, Result>(
  map: ReadonlyMap<string, Value>,
  toResult: (key: string, value: Value) => Result,
): Record<string, Result> {
  return Object.fromEntries([...map].map(([key, value]) => [key, toResult(key, value)]));
}
