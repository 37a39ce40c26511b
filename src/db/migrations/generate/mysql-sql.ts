import type { Fill } from "./backfills.ts";
import type { SchemaDifference, TableDifference } from "./difference.ts";
import {
  type ColumnModel,
  type ForeignKeyModel,
  type IndexModel,
  isUnique,
  type TableModel,
} from "./table-model.ts";
import { toMysqlSearchColumn } from "./search-sql.ts";
import { toRequiredGuard } from "../required-guard.ts";
import { createWords } from "./words.ts";

const { quote, list, alter, rename } = createWords("`");

// So that text compares as it does on the other databases.
const TABLE_OPTIONS = "DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/**
 * Writes the change of a schema as MySQL's statements. MySQL can't undo them, but each is atomic: what changes
 * of a table, but for its foreign keys, is one statement.
 */
export function toMysqlStatements(
  { created, dropped, altered }: SchemaDifference,
  allFills: readonly Fill[],
): string[] {
  const fillsOf = ({ name }: TableDifference): Fill[] => allFills.filter((fill) => fill.table === name);
  return [
    ...altered.flatMap((table) =>
      toChanges(
        table.name,
        findGuards(table, fillsOf(table)).map(({ name, condition }) => `ADD ${toCheck(name, condition)}`),
      ),
    ),
    ...altered.flatMap(({ name, foreignKeys }) =>
      dropForeignKeys(
        name,
        foreignKeys.dropped.map((key) => key.name),
      ),
    ),
    ...dropped.flatMap(({ name, foreignKeys }) => dropForeignKeys(name, foreignKeys.keys())),
    ...created.map(toCreateTable),
    ...altered.flatMap((table) => toAlter(table, fillsOf(table))),
    ...created.flatMap(({ name, foreignKeys }) => addForeignKeys(name, foreignKeys)),
    ...altered.flatMap(({ name, foreignKeys }) =>
      addForeignKeys(
        name,
        foreignKeys.added.map((key) => [key.name, key.part]),
      ),
    ),
    ...dropped.map(({ name }) => `DROP TABLE ${quote(name)}`),
  ];
}

/** Writes a rename as MySQL's statement. */
export const toMysqlRename = rename;

/** Writes that an index goes. */
export function toMysqlIndexDrop(table: string, name: string, index: IndexModel): string[] {
  return toChanges(table, dropIndex(name, index));
}

/** Writes that a constraint goes. */
export function toMysqlDrop(table: string, kind: "CONSTRAINT" | "FOREIGN KEY", name: string): string {
  return `${alter(table)} DROP ${kind} ${quote(name)}`;
}

function dropForeignKeys(table: string, names: Iterable<string>): string[] {
  return [...names].map((name) => toMysqlDrop(table, "FOREIGN KEY", name));
}

function addForeignKeys(table: string, keys: Iterable<[string, ForeignKeyModel]>): string[] {
  return [...keys].map(([name, key]) => `${alter(table)} ADD ${toForeignKey(name, key)}`);
}

interface Guard {
  readonly name: string;
  readonly condition: string;
}

/**
 * Checks of columns that are to be required, which fail where a row has no value, before anything takes effect: MySQL
 * would fill a new column with zeros, and can't undo what precedes a change that fails.
 */
function findGuards(
  { name: table, columns, changedColumns, after }: TableDifference,
  fills: readonly Fill[],
): Guard[] {
  const isFilled = (column: ColumnModel): boolean => fills.some((fill) => fill.column === column.name);
  const added = columns.added.filter(
    (column) => column.isNotNull && column.default === null && !after.primaryKey.includes(column.name),
  );
  const changed = changedColumns.filter((change) => change.after.isNotNull && !change.before.isNotNull);
  return [
    ...added.filter((column) => !isFilled(column)).map(({ name }) => ({ name, condition: "1 = 0" })),
    ...changed
      .filter((change) => !isFilled(change.after))
      .map(({ after: { name } }) => ({ name, condition: `${quote(name)} IS NOT NULL` })),
  ].map(({ name, condition }) => ({ name: toRequiredGuard(table, name), condition }));
}

function toAlter(table: TableDifference, fills: readonly Fill[]): string[] {
  const { name, before, after, columns, changedColumns, hasNewPrimaryKey, indexes, checks } = table;
  const isFilled = (column: ColumnModel): boolean =>
    fills.some((fill) => fill.isNew && fill.column === column.name);
  const dropChecks = checks.dropped.map((check) => `DROP CONSTRAINT ${quote(check.name)}`);
  const earlier = [
    ...dropChecks,
    ...columns.dropped.filter(isFilled).map(drop),
    ...columns.added
      .filter(isFilled)
      .map((column) => `ADD COLUMN ${toColumn({ ...column, isNotNull: false })}`),
  ];
  const changes = [
    ...findGuards(table, fills).map((guard) => `DROP CONSTRAINT ${quote(guard.name)}`),
    ...(fills.length === 0 ? dropChecks : []),
    ...indexes.dropped.flatMap((index) => dropIndex(index.name, index.part)),
    ...(hasNewPrimaryKey && before.primaryKey.length > 0 ? ["DROP PRIMARY KEY"] : []),
    ...columns.dropped.filter((column) => !isFilled(column)).map(drop),
    ...columns.added.filter((column) => !isFilled(column)).map((column) => `ADD COLUMN ${toColumn(column)}`),
    ...columns.added
      .filter((column) => isFilled(column) && column.isNotNull)
      .map((column) => `MODIFY COLUMN ${toColumn(column)}`),
    ...changedColumns.map((change) => `MODIFY COLUMN ${toColumn(change.after)}`),
    ...(hasNewPrimaryKey && after.primaryKey.length > 0
      ? [`ADD PRIMARY KEY (${list(after.primaryKey)})`]
      : []),
    ...indexes.added.flatMap((index) =>
      toIndex(index.name, index.part, "COLUMN ").map((one) => `ADD ${one}`),
    ),
    ...checks.added.map((check) => `ADD ${toCheck(check.name, check.part)}`),
  ];
  return [
    ...(fills.length === 0 ? [] : toChanges(name, earlier)),
    ...fills.map((fill) => toUpdate(name, fill)),
    ...toChanges(name, changes),
  ];
}

function toChanges(table: string, changes: readonly string[]): string[] {
  return changes.length === 0 ? [] : [`${alter(table)}\n\t${changes.join(",\n\t")}`];
}

function drop({ name }: ColumnModel): string {
  return `DROP COLUMN ${quote(name)}`;
}

function toUpdate(table: string, { column, value, isNew }: Fill): string {
  const where = isNew ? "" : ` WHERE ${quote(column)} IS NULL`;
  return `UPDATE ${quote(table)} SET ${quote(column)} = ${value}${where}`;
}

function toCreateTable(table: TableModel): string {
  const lines = [
    ...[...table.columns.values()].map(toColumn),
    ...(table.primaryKey.length === 0 ? [] : [`PRIMARY KEY (${list(table.primaryKey)})`]),
    ...[...table.indexes].flatMap(([name, index]) => toIndex(name, index)),
    ...[...table.checks].map(([name, condition]) => toCheck(name, condition)),
  ];
  return `CREATE TABLE ${quote(table.name)} (\n\t${lines.join(",\n\t")}\n) ${TABLE_OPTIONS}`;
}

function toColumn({ name, type, isNotNull, isCounted, default: value }: ColumnModel): string {
  const rest = `${isNotNull ? " NOT NULL" : ""}${isCounted ? " AUTO_INCREMENT" : ""}`;
  return `${quote(name)} ${type}${rest}${value === null ? "" : ` DEFAULT ${value}`}`;
}

/** @param column what stands before the column that a search index needs */
function toIndex(name: string, index: IndexModel, column = ""): string[] {
  if (index.kind === "search index") {
    return [
      column + toMysqlSearchColumn(name, index.columns),
      `FULLTEXT INDEX ${quote(name)} (${quote(name)})`,
    ];
  }
  return [`${isUnique(index) ? "UNIQUE " : ""}INDEX ${quote(name)} (${list(index.columns)})`];
}

function dropIndex(name: string, { kind }: IndexModel): string[] {
  const index = `DROP INDEX ${quote(name)}`;
  return kind === "search index" ? [index, `DROP COLUMN ${quote(name)}`] : [index];
}

function toCheck(name: string, condition: string): string {
  // Only MySQL takes a backslash for more than a character.
  return `CONSTRAINT ${quote(name)} CHECK (${condition.replaceAll("\\", "\\\\")})`;
}

function toForeignKey(
  name: string,
  { columns, toTable, toColumns, onDelete, onUpdate }: ForeignKeyModel,
): string {
  const target = `${quote(toTable)} (${list(toColumns)})`;
  return `CONSTRAINT ${quote(name)} FOREIGN KEY (${list(columns)}) REFERENCES ${target} ON DELETE ${onDelete} ON UPDATE ${onUpdate}`;
}
