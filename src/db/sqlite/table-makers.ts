import type { Column } from "drizzle-orm";
import * as core from "drizzle-orm/sqlite-core";
import type { TableMakers } from "../contract/driver.ts";
import { listUniqueKeys, type UniqueParts } from "../writes/unique-keys.ts";

const { check, customType, foreignKey, index, primaryKey, sqliteTable: table, unique, uniqueIndex } = core;

/** What tables of SQLite are declared with. */
export const sqliteTableMakers = {
  dialect: "sqlite",
  table,
  id: () => core.integer().primaryKey({ autoIncrement: true }),
  boolean: () => core.integer({ mode: "boolean" }),
  customType,
  index,
  uniqueIndex,
  unique,
  check,
  primaryKey,
  foreignKey,
  foreignKeysOf: (of: Parameters<typeof core.getTableConfig>[0]) => core.getTableConfig(of).foreignKeys,
  uniqueKeysOf: (of: Parameters<typeof core.getTableConfig>[0]) =>
    listUniqueKeys(core.getTableConfig(of) as UniqueParts<Column>),
} as unknown as TableMakers;
