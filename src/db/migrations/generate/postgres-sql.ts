import type { Fill } from "./backfills.ts";
import type { Conversion } from "./conversions.ts";
import { type ColumnChange, type SchemaDifference, type TableDifference, toMap } from "./difference.ts";
import type { Rename } from "./renames.ts";
import { createPostgresSearch } from "./search-sql.ts";
import type { ColumnModel, ForeignKeyModel, IndexModel, SchemaModel, TableModel } from "./table-model.ts";
import { createWords } from "./words.ts";

const { quote, list, alter, rename: renameAlone } = createWords('"');

export interface PostgresChange {
  /** The schema before the renames, which names what is renamed along. */
  readonly before: SchemaModel;
  readonly conversions: readonly Conversion[];
  readonly fills: readonly Fill[];
}

/**
 * Writes the change of a schema as PostgreSQL's statements: foreign keys that are in the way go first, new
 * ones come last.
 */
export function toPostgresStatements(
  { created, dropped, altered }: SchemaDifference,
  renames: readonly Rename[],
  { before, conversions, fills }: PostgresChange,
): string[] {
  return [
    ...renames.flatMap((rename) => toRename(rename, before)),
    ...[...altered, ...dropped.map(toDropped)].flatMap(({ name, foreignKeys }) =>
      foreignKeys.dropped.map((key) => `${alter(name)} DROP CONSTRAINT ${quote(key.name)}`),
    ),
    ...created.map(toCreateTable),
    ...altered.flatMap((table) =>
      toAlter(
        table,
        conversions.filter((one) => one.table === table.name),
        fills.filter((fill) => fill.table === table.name),
      ),
    ),
    ...created.flatMap(({ name, indexes }) => toIndexes(name, indexes)),
    ...[
      ...created,
      ...altered.map(({ name, foreignKeys }) => ({ name, foreignKeys: toMap(foreignKeys.added) })),
    ].flatMap(({ name, foreignKeys }) =>
      [...foreignKeys].map(([key, part]) => `${alter(name)} ADD ${toForeignKey(key, part)}`),
    ),
    ...dropped.map(({ name }) => `DROP TABLE ${quote(name)}`),
  ];
}

function toDropped({ name, foreignKeys }: TableModel): Pick<TableDifference, "name" | "foreignKeys"> {
  const dropped = [...foreignKeys].map(([key, part]) => ({ name: key, part }));
  return { name, foreignKeys: { dropped, added: [] } };
}

function toRename(rename: Rename, before: SchemaModel): string[] {
  if (rename.column !== null) return [renameAlone(rename)];
  const { table, to } = rename;
  const model = before.get(table);
  const counted = [...(model?.columns.values() ?? [])].filter(({ isCounted }) => isCounted);
  const hasKey = model !== undefined && model.primaryKey.length > 0;
  return [
    renameAlone(rename),
    ...(hasKey ? [`${alter(to)} RENAME CONSTRAINT ${quote(keyName(table))} TO ${quote(keyName(to))}`] : []),
    ...counted.map(
      ({ name }) => `ALTER SEQUENCE ${quote(`${table}_${name}_seq`)} RENAME TO ${quote(`${to}_${name}_seq`)}`,
    ),
  ];
}

function toAlter(
  table: TableDifference,
  conversions: readonly Conversion[],
  fills: readonly Fill[],
): string[] {
  const { name, after, columns, changedColumns, hasNewPrimaryKey, indexes, checks } = table;
  const start = alter(name);
  const hadKey = hasNewPrimaryKey && table.before.primaryKey.length > 0;
  const hasKey = hasNewPrimaryKey && after.primaryKey.length > 0;
  const newFills = fills.filter(({ isNew }) => isNew);
  const isFilled = (column: ColumnModel): boolean => newFills.some((fill) => fill.column === column.name);
  const drop = (column: ColumnModel): string => `${start} DROP COLUMN ${quote(column.name)}`;
  return [
    ...checks.dropped.map((check) => `${start} DROP CONSTRAINT ${quote(check.name)}`),
    ...indexes.dropped.map(({ name: index, part }) =>
      part.kind === "unique constraint"
        ? `${start} DROP CONSTRAINT ${quote(index)}`
        : `DROP INDEX ${quote(index)}`,
    ),
    ...(hadKey ? [`${start} DROP CONSTRAINT ${quote(keyName(name))}`] : []),
    ...columns.dropped.filter((column) => isFilled(column)).map(drop),
    ...columns.added
      .filter((column) => isFilled(column))
      .map((column) => `${start} ADD COLUMN ${toColumn({ ...column, isNotNull: false }, name)}`),
    // What is dropped is still there to be filled from.
    ...newFills.map(({ column, value }) => `UPDATE ${quote(name)} SET ${quote(column)} = ${value}`),
    ...columns.added
      .filter((column) => isFilled(column) && column.isNotNull)
      .map((column) => `${start} ALTER COLUMN ${quote(column.name)} SET NOT NULL`),
    ...columns.dropped.filter((column) => !isFilled(column)).map(drop),
    ...columns.added
      .filter((column) => !isFilled(column))
      .map((column) => `${start} ADD COLUMN ${toColumn(column, name)}`),
    ...changedColumns.flatMap((change) => toChange(name, change, { conversions, fills })),
    ...(hasKey ? [`${start} ADD ${toPrimaryKey(after)}`] : []),
    ...toIndexes(name, toMap(indexes.added), start),
    ...checks.added.map((check) => `${start} ADD CONSTRAINT ${quote(check.name)} CHECK (${check.part})`),
  ];
}

function toChange(
  table: string,
  { before, after }: ColumnChange,
  { conversions, fills }: Pick<PostgresChange, "conversions" | "fills">,
): string[] {
  const start = `${alter(table)} ALTER COLUMN ${quote(after.name)}`;
  const statements: string[] = [];
  const isConverted = before.type !== after.type;
  const hasNewDefault = before.default !== after.default || isConverted;
  // A default has the old type: it would stop the conversion.
  if (hasNewDefault && before.default !== null) statements.push(`${start} DROP DEFAULT`);
  if (before.isCounted && !after.isCounted) statements.push(`${start} DROP IDENTITY`);
  if (isConverted) {
    const conversion = conversions.find((one) => one.column === after.name);
    const isCast = conversion?.from.kind === "text" && conversion.to.kind !== "text";
    statements.push(
      `${start} SET DATA TYPE ${after.type}${isCast ? ` USING ${quote(after.name)}::${after.type}` : ""}`,
    );
  }
  if (hasNewDefault && after.default !== null) statements.push(`${start} SET DEFAULT ${after.default}`);
  const fill = fills.find((one) => one.column === after.name);
  if (fill !== undefined) {
    const isEmpty = `${quote(after.name)} IS NULL`;
    statements.push(`UPDATE ${quote(table)} SET ${quote(after.name)} = ${fill.value} WHERE ${isEmpty}`);
  }
  if (before.isNotNull !== after.isNotNull) {
    statements.push(`${start} ${after.isNotNull ? "SET" : "DROP"} NOT NULL`);
  }
  if (after.isCounted && !before.isCounted) {
    const sequence = `pg_get_serial_sequence('${quote(table)}', '${after.name}')`;
    const next = `coalesce((SELECT max(${quote(after.name)}) FROM ${quote(table)}), 0) + 1`;
    statements.push(
      `${start} ADD GENERATED BY DEFAULT AS IDENTITY`,
      `SELECT setval(${sequence}, ${next}, false)`,
    );
  }
  return statements;
}

function toCreateTable(table: TableModel): string {
  const uniques = [...table.indexes].filter(([, { kind }]) => kind === "unique constraint");
  const lines = [
    ...[...table.columns.values()].map((column) => toColumn(column, table.name)),
    ...(table.primaryKey.length > 0 ? [toPrimaryKey(table)] : []),
    ...uniques.map(([name, { columns }]) => `CONSTRAINT ${quote(name)} UNIQUE(${list(columns)})`),
    ...[...table.checks].map(([name, condition]) => `CONSTRAINT ${quote(name)} CHECK (${condition})`),
  ];
  return `CREATE TABLE ${quote(table.name)} (\n\t${lines.join(",\n\t")}\n)`;
}

function toColumn({ name, type, isNotNull, isCounted, default: value }: ColumnModel, table: string): string {
  const sequence = quote(`${table}_${name}_seq`);
  const identity = isCounted ? ` GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME ${sequence})` : "";
  return `${quote(name)} ${type}${identity}${value === null ? "" : ` DEFAULT ${value}`}${isNotNull ? " NOT NULL" : ""}`;
}

function toPrimaryKey({ name, primaryKey }: TableModel): string {
  return `CONSTRAINT ${quote(keyName(name))} PRIMARY KEY(${list(primaryKey)})`;
}

function toForeignKey(
  name: string,
  { columns, toTable, toColumns, onDelete, onUpdate }: ForeignKeyModel,
): string {
  const target = `${quote(toTable)}(${list(toColumns)})`;
  return `CONSTRAINT ${quote(name)} FOREIGN KEY (${list(columns)}) REFERENCES ${target} ON DELETE ${onDelete} ON UPDATE ${onUpdate}`;
}

/** @param start with it, unique constraints are added too; a table that is created brings them along */
function toIndexes(table: string, indexes: ReadonlyMap<string, IndexModel>, start?: string): string[] {
  return [...indexes].flatMap(([name, { kind, columns }]) => {
    if (kind === "unique constraint") {
      return start === undefined ? [] : [`${start} ADD CONSTRAINT ${quote(name)} UNIQUE(${list(columns)})`];
    }
    if (kind === "search index") return [createPostgresSearch(name, table, columns)];
    const unique = kind === "unique index" ? "UNIQUE " : "";
    return [`CREATE ${unique}INDEX ${quote(name)} ON ${quote(table)} (${list(columns)})`];
  });
}

/** PostgreSQL's own name for it. */
function keyName(table: string): string {
  return `${table}_pkey`;
}
