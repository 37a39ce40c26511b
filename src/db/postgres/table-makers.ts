import type { Column } from "drizzle-orm";
import * as core from "drizzle-orm/pg-core";
import type { TableMakers } from "../contract/driver.ts";
import { listUniqueKeys, type UniqueParts } from "../writes/unique-keys.ts";

const { check, customType, foreignKey, index, primaryKey, pgTable: table, unique, uniqueIndex } = core;

/** What tables of PostgreSQL are declared with. */
export const postgresTableMakers = {
  dialect: "postgres",
  table,
  id: () => core.bigint({ mode: "number" }).primaryKey().generatedByDefaultAsIdentity(),
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
