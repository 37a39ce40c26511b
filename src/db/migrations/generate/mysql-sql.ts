import type { SchemaDifference, TableDifference } from "./difference.ts";
import {
  type ColumnModel,
  type ForeignKeyModel,
  type IndexModel,
  isUnique,
  type TableModel,
} from "./table-model.ts";
import { createWords } from "./words.ts";

const { quote, list, alter, rename } = createWords("`");

// So that text compares as it does on the other databases.
const TABLE_OPTIONS = "DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/**
 * Writes the change of a schema as MySQL's statements. MySQL can't undo them, but each is atomic: what changes
 * of a table, but for its foreign keys, is one statement.
 */
export function toMysqlStatements({ created, dropped, altered }: SchemaDifference): string[] {
  return [
    ...altered.flatMap(({ name, foreignKeys }) =>
      dropForeignKeys(
        name,
        foreignKeys.dropped.map((key) => key.name),
      ),
    ),
    ...dropped.flatMap(({ name, foreignKeys }) => dropForeignKeys(name, foreignKeys.keys())),
    ...created.map(toCreateTable),
    ...altered.flatMap(toAlter),
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

function toAlter({ name, before, after, ...table }: TableDifference): string[] {
  const { columns, changedColumns, hasNewPrimaryKey, indexes, checks } = table;
  // MySQL would fill a required column with zeros: it is made required once it is there, which fails.
  const late = columns.added.filter(
    (column) => column.isNotNull && column.default === null && !after.primaryKey.includes(column.name),
  );
  const toAdded = (column: ColumnModel): string =>
    `ADD COLUMN ${toColumn(late.includes(column) ? { ...column, isNotNull: false } : column)}`;
  const changes = [
    ...checks.dropped.map((check) => `DROP CONSTRAINT ${quote(check.name)}`),
    ...indexes.dropped.map((index) => `DROP INDEX ${quote(index.name)}`),
    ...(hasNewPrimaryKey && before.primaryKey.length > 0 ? ["DROP PRIMARY KEY"] : []),
    ...columns.dropped.map((column) => `DROP COLUMN ${quote(column.name)}`),
    ...columns.added.map(toAdded),
    ...changedColumns.map((change) => `MODIFY COLUMN ${toColumn(change.after)}`),
    ...(hasNewPrimaryKey && after.primaryKey.length > 0
      ? [`ADD PRIMARY KEY (${list(after.primaryKey)})`]
      : []),
    ...indexes.added.map((index) => `ADD ${toIndex(index.name, index.part)}`),
    ...checks.added.map((check) => `ADD ${toCheck(check.name, check.part)}`),
  ];
  return [
    ...(changes.length === 0 ? [] : [`${alter(name)}\n\t${changes.join(",\n\t")}`]),
    ...late.map((column) => `${alter(name)} MODIFY COLUMN ${toColumn(column)}`),
  ];
}

function toCreateTable(table: TableModel): string {
  const lines = [
    ...[...table.columns.values()].map(toColumn),
    ...(table.primaryKey.length === 0 ? [] : [`PRIMARY KEY (${list(table.primaryKey)})`]),
    ...[...table.indexes].map(([name, index]) => toIndex(name, index)),
    ...[...table.checks].map(([name, condition]) => toCheck(name, condition)),
  ];
  return `CREATE TABLE ${quote(table.name)} (\n\t${lines.join(",\n\t")}\n) ${TABLE_OPTIONS}`;
}

function toColumn({ name, type, isNotNull, isCounted, default: value }: ColumnModel): string {
  const rest = `${isNotNull ? " NOT NULL" : ""}${isCounted ? " AUTO_INCREMENT" : ""}`;
  return `${quote(name)} ${type}${rest}${value === null ? "" : ` DEFAULT ${value}`}`;
}

function toIndex(name: string, index: IndexModel): string {
  return `${isUnique(index) ? "UNIQUE " : ""}INDEX ${quote(name)} (${list(index.columns)})`;
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
