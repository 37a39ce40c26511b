import { getTableConfig, type MySqlColumn, type MySqlTable } from "drizzle-orm/mysql-core";

/** A primary key, unique constraint or unique index of a table. */
export interface UniqueKey {
  /** "PRIMARY" for the primary key, as the server calls it. */
  readonly name: string;
  readonly columns: readonly MySqlColumn[];
}

/** Lists what the schema says is unique in a table, its primary key first. */
export function uniqueKeysOf(table: MySqlTable): UniqueKey[] {
  const { columns, primaryKeys, uniqueConstraints, indexes } = getTableConfig(table);
  const primary = primaryKeys[0]?.columns ?? columns.filter((column) => column.primary);
  const keys: UniqueKey[] = primary.length === 0 ? [] : [{ name: "PRIMARY", columns: primary }];
  for (const column of columns) {
    if (column.isUnique) keys.push({ name: column.uniqueName ?? column.name, columns: [column] });
  }
  for (const constraint of uniqueConstraints) {
    keys.push({ name: constraint.getName() ?? "", columns: constraint.columns });
  }
  for (const { config } of indexes) {
    const plain = config.columns.filter((column): column is MySqlColumn => "table" in column);
    if (config.unique === true && plain.length === config.columns.length) {
      keys.push({ name: config.name, columns: plain });
    }
  }
  return keys;
}

/** The columns of a table's primary key, by the name that code uses; empty where it has none. */
export function primaryKeyOf(table: MySqlTable): readonly MySqlColumn[] {
  return uniqueKeysOf(table).find(({ name }) => name === "PRIMARY")?.columns ?? [];
}

/** Whether both name the same columns, in any order. */
export function isSameKey(some: readonly MySqlColumn[], others: readonly MySqlColumn[]): boolean {
  const names = new Set(others.map(({ name }) => name));
  return some.length === others.length && some.every(({ name }) => names.has(name));
}
