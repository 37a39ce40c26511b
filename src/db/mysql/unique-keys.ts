import { getTableConfig, type MySqlColumn, type MySqlTable } from "drizzle-orm/mysql-core";
import { listUniqueKeys, type UniqueKey as AnyUniqueKey } from "../writes/unique-keys.ts";

/** A primary key, unique constraint or unique index of a table, called as the server calls it. */
export type UniqueKey = AnyUniqueKey<MySqlColumn>;

/** Lists what the schema says is unique in a table, its primary key first. */
export function uniqueKeysOf(table: MySqlTable): UniqueKey[] {
  return listUniqueKeys<MySqlColumn>(getTableConfig(table));
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
