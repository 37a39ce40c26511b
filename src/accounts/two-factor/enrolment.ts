import { and, eq, isNotNull } from "drizzle-orm";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../identity/error-codes.ts";
import { noteAccessChange } from "../people/store.ts";

/** Whether somebody has turned two factors on: a device of theirs is confirmed. */
export async function hasSecondFactor(
  db: Pick<Database, "select">,
  { otpDevices }: Pick<CoreTables, "otpDevices">,
  userId: number,
): Promise<boolean> {
  const [device] = await db
    .select({ id: otpDevices.id })
    .from(otpDevices)
    .where(and(eq(otpDevices.user_id, userId), isNotNull(otpDevices.confirmed_at)))
    .limit(1);
  return device !== undefined;
}

/**
 * Refuses a session that has only given a password to somebody who has two factors: it must not hand out other ways
 * in, such as a device or an API key.
 *
 * @throws AppError otp_required
 */
export async function assertSecondFactorGiven(
  db: Pick<Database, "select">,
  tables: Pick<CoreTables, "otpDevices" | "sessions">,
  { userId, sessionId }: { userId: number; sessionId: string },
): Promise<void> {
  if (!(await hasSecondFactor(db, tables, userId))) return;
  const { sessions } = tables;
  const [session] = await db
    .select({ has_otp: sessions.has_otp })
    .from(sessions)
    .where(and(eq(sessions.id, sessionId), eq(sessions.user_id, userId)));
  if (session?.has_otp === true) return;
  throw fail("otp_required", "This needs a session with two factors: log in again");
}

/**
 * Turns two factors off, such as for somebody who has lost the phone and the recovery codes. To be audited by the
 * caller, who knows on whose word.
 *
 * @returns how many devices are gone
 */
export async function removeSecondFactors(
  tx: Transaction,
  tables: Pick<CoreTables, "otpDevices" | "recoveryCodes" | "sessions" | "accessChanges">,
  userId: number,
): Promise<number> {
  const { otpDevices } = tables;
  const { rowsAffected } = await tx.delete(otpDevices).where(eq(otpDevices.user_id, userId));
  await endSecondFactor(tx, tables, userId);
  return rowsAffected;
}

/** Takes back what an account had with its last device. */
export async function endSecondFactor(
  tx: Transaction,
  tables: Pick<CoreTables, "recoveryCodes" | "sessions" | "accessChanges">,
  userId: number,
): Promise<void> {
  const { recoveryCodes, sessions } = tables;
  await tx.delete(recoveryCodes).where(eq(recoveryCodes.user_id, userId));
  // A role that asks for two factors asks again, on the next request.
  await tx.update(sessions).set({ has_otp: false }).where(eq(sessions.user_id, userId));
  await noteAccessChange(tx, tables, userId);
}
