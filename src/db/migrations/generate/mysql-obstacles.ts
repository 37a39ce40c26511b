import { toMysqlDrop, toMysqlIndexDrop, toMysqlRename } from "./mysql-sql.ts";
import { applyRename, type Rename } from "./renames.ts";
import type { ForeignKeyModel, SchemaModel, TableModel } from "./table-model.ts";

/** A schema once the statements have run. */
interface Cleared {
  readonly schema: SchemaModel;
  readonly statements: readonly string[];
}

/** Gives each foreign key the index that MySQL would make by itself, so that it goes when it isn't needed. */
export function withForeignKeyIndexes(schema: SchemaModel): SchemaModel {
  return mapTables(schema, (table) => {
    const indexes = new Map(table.indexes);
    for (const [name, { columns }] of table.foreignKeys) {
      const sorted = [...indexes.values()].filter(({ kind }) => kind !== "search index");
      const others = [table.primaryKey, ...sorted.map((index) => index.columns)];
      const isCovered = others.some((other) => columns.every((column, place) => other[place] === column));
      if (!isCovered) indexes.set(name, { kind: "index", columns });
    }
    return { ...table, indexes };
  });
}

/** Renames, and drops before it the checks and the search index that keep MySQL from renaming a column. */
export function renameOnMysql(before: SchemaModel, renames: readonly Rename[]): Cleared {
  let schema = before;
  const statements: string[] = [];
  for (const rename of renames) {
    const { table, column } = rename;
    for (const [name, condition] of schema.get(table)?.checks ?? []) {
      if (column === null || !condition.includes(`\`${column}\``)) continue;
      statements.push(toMysqlDrop(table, "CONSTRAINT", name));
      schema = withoutCheck(schema, table, name);
    }
    for (const [name, index] of schema.get(table)?.indexes ?? []) {
      if (index.kind !== "search index" || column === null || !index.columns.includes(column)) continue;
      statements.push(...toMysqlIndexDrop(table, name, index));
      schema = withoutIndex(schema, table, name);
    }
    statements.push(toMysqlRename(rename));
    schema = applyRename(schema, rename);
  }
  return { schema, statements };
}

/** Drops the foreign keys between columns that change, as MySQL changes none that has one. */
export function freeForeignKeys(before: SchemaModel, after: SchemaModel): Cleared {
  const isChanged = (table: string, column: string): boolean => {
    const [old, changed] = [before, after].map((one) => one.get(table)?.columns.get(column));
    return old !== undefined && changed !== undefined && !Bun.deepEquals(old, changed);
  };
  const isInTheWay = (table: string, { columns, toTable, toColumns }: ForeignKeyModel): boolean =>
    columns.some((column) => isChanged(table, column)) ||
    toColumns.some((column) => isChanged(toTable, column));
  let schema = before;
  const statements: string[] = [];
  for (const [table, { foreignKeys }] of before) {
    for (const [name, key] of foreignKeys) {
      if (!isInTheWay(table, key)) continue;
      statements.push(toMysqlDrop(table, "FOREIGN KEY", name));
      schema = withoutForeignKey(schema, table, name);
    }
  }
  return { schema, statements };
}

function withoutCheck(schema: SchemaModel, name: string, check: string): SchemaModel {
  return mapTables(schema, (table) =>
    table.name === name ? { ...table, checks: omit(table.checks, check) } : table,
  );
}

function withoutIndex(schema: SchemaModel, name: string, index: string): SchemaModel {
  return mapTables(schema, (table) =>
    table.name === name ? { ...table, indexes: omit(table.indexes, index) } : table,
  );
}

function withoutForeignKey(schema: SchemaModel, name: string, key: string): SchemaModel {
  return mapTables(schema, (table) =>
    table.name === name ? { ...table, foreignKeys: omit(table.foreignKeys, key) } : table,
  );
}

function omit<Part>(parts: ReadonlyMap<string, Part>, name: string): Map<string, Part> {
  return new Map([...parts].filter(([one]) => one !== name));
}

function mapTables(schema: SchemaModel, change: (table: TableModel) => TableModel): SchemaModel {
  return new Map([...schema].map(([name, table]) => [name, change(table)]));
}
