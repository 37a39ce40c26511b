import type { Database } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";

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
