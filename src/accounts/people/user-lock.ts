import { eq, sql } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../../errors/codes.ts";

/**
 * Locks an account until the end of the transaction, so that what is counted or looked up of it stays true: others
 * that lock it wait. To be the first query: what MySQL reads later is then as new as the lock.
 *
 * @throws AppError not_found
 */
export async function lockUser(
  tx: Transaction,
  { users }: Pick<CoreTables, "users">,
  userId: number,
): Promise<{ id: number; email: string }> {
  await tx
    .update(users)
    .set({ updated_at: sql`${users.updated_at}` })
    .where(eq(users.id, userId));
  const [user] = await tx
    .select({ id: users.id, email: users.email })
    .from(users)
    .where(eq(users.id, userId));
  if (user !== undefined) return user;
  throw fail("not_found", `Cannot find user "${userId}": there is none`);
}
