import type { Database } from "../../db/contract/database.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { createCoreSchema } from "../../db/schema/schema-module.ts";

/** The core's tables and the database that they are in: what services of accounts work on. */
export interface CoreStore {
  readonly db: Database;
  readonly tables: CoreTables;
}

/** Opens the core's tables in a database. */
export function openCoreStore(driver: Driver): CoreStore {
  const tables = createCoreSchema(driver.dialect);
  return { db: driver.toDatabase(tables), tables };
}
