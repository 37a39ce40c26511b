import {
  createTableRelationsHelpers,
  extractTablesRelationalConfig,
  type RelationalSchemaConfig,
  type TablesRelationalConfig,
} from "drizzle-orm";
import type { SchemaTables } from "../contract/database.ts";

/** Tables and relations as drizzle's sessions take them. */
export type RelationalSchema = RelationalSchemaConfig<TablesRelationalConfig>;

/** Returns what `db.query` needs to know of these tables and relations. */
export function toRelationalSchema(schema: SchemaTables): RelationalSchema {
  const { tables, tableNamesMap } = extractTablesRelationalConfig(schema, createTableRelationsHelpers);
  return { fullSchema: schema, schema: tables, tableNamesMap };
}
