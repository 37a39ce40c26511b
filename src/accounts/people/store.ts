import type { Database } from "../../db/contract/database.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { QueryWatch } from "../../db/contract/statements.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { createCoreSchema } from "../../db/schema/schema.ts";

/** The core's tables and the database that they are in: what services of accounts work on. */
export interface CoreStore {
  readonly db: Database;
  readonly tables: CoreTables;
}

/** Opens the core's tables in a database. @param watch has their statements be run. @default they run as they are */
export function openCoreStore(driver: Driver, watch?: QueryWatch): CoreStore {
  const tables = createCoreSchema(driver.tableMakers);
  return { db: driver.toDatabase({}, watch), tables };
}

/**
 * Notes that what a user (null: everybody) may do has changed. Within the transaction of the change: every instance
 * then looks again before it answers the next request.
 */
export async function noteAccessChange(
  db: Pick<Database, "insert">,
  { accessChanges }: Pick<CoreTables, "accessChanges">,
  userId: number | null,
): Promise<void> {
  await db.insert(accessChanges).values({ user_id: userId });
}
