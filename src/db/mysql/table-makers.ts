import type { Column } from "drizzle-orm";
import * as core from "drizzle-orm/mysql-core";
import type { TableMakers } from "../contract/driver.ts";
import { listUniqueKeys, type UniqueParts } from "../writes/unique-keys.ts";

const { check, customType, foreignKey, index, primaryKey, mysqlTable: table, unique, uniqueIndex } = core;

/** What tables of MySQL are declared with. */
export const mysqlTableMakers = {
  dialect: "mysql",
  table,
  id: () => core.bigint({ mode: "number" }).autoincrement().primaryKey(),
  boolean: () => core.boolean(),
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
