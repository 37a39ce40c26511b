import type { Fill } from "./backfills.ts";
import type { Conversion } from "./conversions.ts";
import { type SchemaDifference, type TableDifference, toMap } from "./difference.ts";
import type { Rename } from "./renames.ts";
import { createSqliteSearch, dropSqliteSearch } from "./search-sql.ts";
import {
  type ColumnModel,
  type ForeignKeyModel,
  type IndexModel,
  isUnique,
  type TableModel,
} from "./table-model.ts";
import { createWords } from "./words.ts";

const { quote, list, alter, rename } = createWords("`");

const TEMPORARY = "__xcore_new_";
const GUARD = "__xcore_guard";

/** Writes the change of a schema as SQLite's statements. */
export function toSqliteStatements(
  { created, dropped, altered }: SchemaDifference,
  renames: readonly Rename[],
  { conversions, fills }: { readonly conversions: readonly Conversion[]; readonly fills: readonly Fill[] },
): string[] {
  return [
    ...renames.map(rename),
    ...created.flatMap((table) => [toCreateTable(table), ...toCreateIndexes(table, table.indexes)]),
    ...altered.flatMap((table) =>
      toAlter(
        table,
        conversions.filter((one) => one.table === table.name && one.isPossible),
        fills.filter((fill) => fill.table === table.name),
      ),
    ),
    ...dropped.flatMap(({ name, indexes }) => [...dropSearches(indexes), `DROP TABLE ${quote(name)}`]),
  ];
}

function toAlter(
  table: TableDifference,
  conversions: readonly Conversion[],
  fills: readonly Fill[],
): string[] {
  const guards = conversions.flatMap(toGuard);
  if (needsRebuild(table)) return [...toRebuild(table, conversions, fills), ...guards];
  const { name, after, indexes, columns } = table;
  return [
    ...indexes.dropped.flatMap(({ name: index, part }) =>
      part.kind === "search index" ? dropSqliteSearch(index) : [`DROP INDEX ${quote(index)}`],
    ),
    ...columns.added.map((column) => `${alter(name)} ADD ${toColumn(column)}`),
    ...fills.map(({ column, value }) => `UPDATE ${quote(name)} SET ${quote(column)} = ${value}`),
    ...toCreateIndexes(after, toMap(indexes.added), true),
    ...guards,
  ];
}

/** SQLite only adds columns whose value in the rows that are there is known beforehand. */
function needsRebuild({
  columns,
  changedColumns,
  hasNewPrimaryKey,
  foreignKeys,
  checks,
}: TableDifference): boolean {
  const parts = [columns.dropped, changedColumns, foreignKeys.dropped, foreignKeys.added];
  if (hasNewPrimaryKey || [...parts, checks.dropped, checks.added].some((part) => part.length > 0))
    return true;
  return columns.added.some((column) => !isAddable(column));
}

function isAddable({ isNotNull, isCounted, default: value }: ColumnModel): boolean {
  return (
    !isCounted && (value === null ? !isNotNull : /^('(?:[^']|'')*'|-?[\d.]+|true|false|null)$/i.test(value))
  );
}

/** The way of SQLite's manual: a new table takes the rows and then the name. Nothing is cascaded meanwhile. */
function toRebuild(
  { name, before, after, columns }: TableDifference,
  conversions: readonly Conversion[],
  fills: readonly Fill[],
): string[] {
  const made = new Set(columns.added.map((column) => column.name));
  const kept = [...after.columns.keys()].filter((column) => !made.has(column));
  const temporary = TEMPORARY + name;
  const values = kept.map((column) => {
    const isRounded = conversions.some(
      (one) => one.column === column && one.to.kind === "integer" && one.from.kind === "decimal",
    );
    const value = isRounded ? `CAST(ROUND(${quote(column)}) AS INTEGER)` : quote(column);
    const fill = fills.find((one) => one.column === column && !one.isNew);
    return fill === undefined ? value : `coalesce(${value}, ${fill.value})`;
  });
  const newFills = fills.filter(({ isNew }) => isNew);
  const filled = [...kept, ...newFills.map(({ column }) => column)];
  const filledValues = [...values, ...newFills.map(({ value }) => value)].join(", ");
  const copies = filled.length > 0;
  const into = `INSERT INTO ${quote(temporary)}(${list(filled)})`;
  return [
    toCreateTable({ ...after, name: temporary }),
    ...(copies ? [`${into} SELECT ${filledValues} FROM ${quote(name)}`] : []),
    ...(copies && hasCounter(before) && hasCounter(after) ? toCarryCounter(name, temporary) : []),
    ...dropSearches(before.indexes),
    `DROP TABLE ${quote(name)}`,
    `${alter(temporary)} RENAME TO ${quote(name)}`,
    ...toCreateIndexes(after, after.indexes, true),
  ];
}

function dropSearches(indexes: ReadonlyMap<string, IndexModel>): string[] {
  return [...indexes].flatMap(([name, { kind }]) => (kind === "search index" ? dropSqliteSearch(name) : []));
}

/** Ids of rows that were deleted aren't given again. */
function toCarryCounter(name: string, temporary: string): string[] {
  return [
    `DELETE FROM sqlite_sequence WHERE name = '${temporary}'`,
    `INSERT INTO sqlite_sequence(name, seq) SELECT '${temporary}', seq FROM sqlite_sequence WHERE name = '${name}'`,
  ];
}

/** SQLite would keep text in a column of numbers: fails, as the other databases do, where some is no number. */
function toGuard({ table, column, from, to }: Conversion): string[] {
  if (from.kind !== "text" || to.kind === "text") return [];
  const wrong = to.kind === "integer" ? "<> 'integer'" : "= 'text'";
  return [
    `CREATE TABLE ${quote(GUARD)} (value integer, CONSTRAINT ${quote(`${table}.${column} must hold numbers`)} CHECK(value = 0))`,
    `INSERT INTO ${quote(GUARD)} SELECT 1 FROM ${quote(table)} WHERE ${quote(column)} IS NOT NULL AND typeof(${quote(column)}) ${wrong}`,
    `DROP TABLE ${quote(GUARD)}`,
  ];
}

function toCreateTable(table: TableModel): string {
  const [onlyKey, ...otherKeys] = table.primaryKey;
  const inlineKey = otherKeys.length === 0 ? onlyKey : undefined;
  const lines = [
    ...[...table.columns.values()].map((column) => toColumn(column, column.name === inlineKey)),
    ...(otherKeys.length > 0 ? [`PRIMARY KEY(${list(table.primaryKey)})`] : []),
    ...[...table.foreignKeys].map(([name, key]) => toForeignKey(name, key)),
    ...[...table.checks].map(([name, condition]) => `CONSTRAINT ${quote(name)} CHECK(${condition})`),
  ];
  return `CREATE TABLE ${quote(table.name)} (\n\t${lines.join(",\n\t")}\n)`;
}

function toColumn(
  { name, type, isNotNull, isCounted: counts, default: value }: ColumnModel,
  isKey = false,
): string {
  const key = isKey ? ` PRIMARY KEY${counts ? " AUTOINCREMENT" : ""}` : "";
  return `${quote(name)} ${type}${key}${value === null ? "" : ` DEFAULT ${value}`}${isNotNull ? " NOT NULL" : ""}`;
}

function toForeignKey(
  name: string,
  { columns, toTable, toColumns, onUpdate, onDelete }: ForeignKeyModel,
): string {
  const target = `${quote(toTable)}(${list(toColumns)})`;
  return `CONSTRAINT ${quote(name)} FOREIGN KEY (${list(columns)}) REFERENCES ${target} ON UPDATE ${onUpdate} ON DELETE ${onDelete}`;
}

/** @param hasRows whether there may be rows already */
function toCreateIndexes(
  table: TableModel,
  indexes: ReadonlyMap<string, IndexModel>,
  hasRows = false,
): string[] {
  return [...indexes].flatMap(([name, index]) => {
    if (index.kind === "search index") return createSqliteSearch(name, { table, index, hasRows });
    const unique = isUnique(index) ? "UNIQUE " : "";
    return [`CREATE ${unique}INDEX ${quote(name)} ON ${quote(table.name)} (${list(index.columns)})`];
  });
}

function hasCounter({ columns }: TableModel): boolean {
  return [...columns.values()].some((column) => column.isCounted);
}
