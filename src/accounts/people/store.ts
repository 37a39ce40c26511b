import type { Database } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";

/** The core's tables and the database that they are in: what services of accounts work on. */
export interface CoreStore {
  readonly db: Database;
  readonly tables: CoreTables;
}
