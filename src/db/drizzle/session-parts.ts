import * as drizzle from "drizzle-orm";
import {
  createTableRelationsHelpers,
  extractTablesRelationalConfig,
  type RelationalSchemaConfig,
  type SQL,
  type Table,
  type TablesRelationalConfig,
} from "drizzle-orm";
import type { SchemaTables } from "../contract/database.ts";

/**
 * What drizzle-orm 0.45.4 exports without typing it: drizzle's own sessions and dialects use these functions. Check them
 * when the version is raised.
 */
interface Internals {
  /** Turns the values of `set()` into parameters. */
  mapUpdateSet: (table: Table, values: Record<string, unknown>) => Record<string, SQL>;
  orderSelectedFields: (fields: unknown) => unknown[];
}

const internals = drizzle as unknown as Internals;

export const { mapUpdateSet } = internals;

/** Lists what a select returns, nested objects included. */
export function selectedFields<Field>(fields: unknown): Field[] {
  return internals.orderSelectedFields(fields) as Field[];
}

/** Maps the rows of a relational query, all at once. */
export type RowsMapper = (rows: unknown[][], mapColumnValue?: (value: unknown) => unknown) => unknown;

/** Tables and relations as drizzle's sessions take them. */
export type RelationalSchema = RelationalSchemaConfig<TablesRelationalConfig>;

/** Returns what `db.query` needs to know of these tables and relations. */
export function toRelationalSchema(schema: SchemaTables): RelationalSchema {
  const { tables, tableNamesMap } = extractTablesRelationalConfig(schema, createTableRelationsHelpers);
  return { fullSchema: schema, schema: tables, tableNamesMap };
}
