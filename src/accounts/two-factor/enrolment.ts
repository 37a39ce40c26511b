import { and, eq, inArray, isNotNull, isNull, ne } from "drizzle-orm";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import { FRESH_MS } from "../identity/standing.ts";
import { noteAccessChange } from "../people/store.ts";
import { renewRecoveryCodes } from "./recovery-codes.ts";

/** A device as its owner sees it. */
export interface OtpDevice {
  readonly id: number;
  readonly name: string;
  /** Null until a code has shown that it works. */
  readonly confirmed_at: Date | null;
  readonly created_at: Date;
}

/** A new device: the one time that its secret is readable. */
export interface OtpEnrolment extends OtpDevice {
  /** In base 32, for typing. */
  readonly secret: string;
  /** Returns the `otpauth://` URI, for a link on the phone itself. */
  qrCodeUri(): string;
  /** Returns the URI as a QR code, an SVG element. */
  qrCodeSvg(): string;
}

export interface ConfirmedOtpDevice extends OtpDevice {
  /** With the first device of an account, shown this once; else null. */
  readonly recovery_codes: string[] | null;
}

/** On whose behalf factors change. */
export interface FactorChange {
  /**
   * The session that the request comes from. Once two factors are on, only a session that gave both may add a
   * device; without a session the caller answers for that.
   */
  readonly sessionId?: string;
  readonly origin?: Origin;
}

/** What an account has beside its password: devices that give codes, and passkeys. */
export type FactorTables = Pick<CoreTables, "otpDevices" | "passkeys">;

/** Whether somebody has turned two factors on: a device of theirs is confirmed, or they have a passkey. */
export async function hasSecondFactor(
  db: Pick<Database, "select">,
  { otpDevices, passkeys }: FactorTables,
  userId: number,
): Promise<boolean> {
  const [device] = await db
    .select({ id: otpDevices.id })
    .from(otpDevices)
    .where(and(eq(otpDevices.user_id, userId), isNotNull(otpDevices.confirmed_at)))
    .limit(1);
  if (device !== undefined) return true;
  const own = eq(passkeys.user_id, userId);
  const [passkey] = await db.select({ id: passkeys.id }).from(passkeys).where(own).limit(1);
  return passkey !== undefined;
}

/** Returns which of these accounts have two factors. */
export async function findWithSecondFactor(
  db: Pick<Database, "selectDistinct">,
  { otpDevices, passkeys }: FactorTables,
  userIds: readonly number[],
): Promise<ReadonlySet<number>> {
  const isConfirmed = isNotNull(otpDevices.confirmed_at);
  const byDevice = await db
    .selectDistinct({ userId: otpDevices.user_id })
    .from(otpDevices)
    .where(and(inArray(otpDevices.user_id, [...userIds]), isConfirmed));
  const byPasskey = await db
    .selectDistinct({ userId: passkeys.user_id })
    .from(passkeys)
    .where(inArray(passkeys.user_id, [...userIds]));
  return new Set([...byDevice, ...byPasskey].map(({ userId }) => userId));
}

/**
 * Refuses a session that has only given a password to somebody who has two factors: it must not hand out other ways
 * in, such as a device or an API key.
 *
 * @throws AppError otp_required
 */
export async function assertSecondFactorGiven(
  db: Pick<Database, "select">,
  tables: FactorTables & Pick<CoreTables, "sessions">,
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
 * Refuses who hasn't shown within the last ten minutes that it is them: a session that was left open, or stolen, is not
 * enough for what they ask. Who has two factors shows it by a code, when they log in or at `POST /auth/otp/verify`;
 * others by the password, when they log in or at `POST /auth/password/verify`.
 *
 * @throws AppError otp_expired, identification_expired
 */
export async function assertIdentifiedLately(
  db: Pick<Database, "select">,
  tables: FactorTables & Pick<CoreTables, "sessions">,
  { userId, sessionId, nowMs }: { userId: number; sessionId: string; nowMs: number },
): Promise<void> {
  const { sessions } = tables;
  const { created_at, identified_at, otp_at } = sessions;
  const isAskedForCode = await hasSecondFactor(db, tables, userId);
  const [session] = await db
    .select({ created_at, identified_at, otp_at })
    .from(sessions)
    .where(and(eq(sessions.id, sessionId), eq(sessions.user_id, userId)));
  const identifiedAt = session?.identified_at ?? session?.created_at;
  const at = (isAskedForCode ? session?.otp_at : identifiedAt)?.getTime() ?? 0;
  // One of the future is of a clock that was set back since.
  if (Math.abs(nowMs - at) <= FRESH_MS) return;
  if (isAskedForCode) {
    const message =
      "This needs a code of the last ten minutes: give one at POST /auth/otp/verify, then try again";
    throw fail("otp_expired", message);
  }
  const message =
    "This needs the password, given within the last ten minutes: give it at POST /auth/password/verify, then try again";
  throw fail("identification_expired", message);
}

/** Notes that a session has given a code just now. */
export async function noteSecondFactor(
  tx: Transaction,
  { sessions }: Pick<CoreTables, "sessions">,
  { userId, sessionId, at }: { userId: number; sessionId: string; at: Date },
): Promise<void> {
  const own = and(eq(sessions.id, sessionId), eq(sessions.user_id, userId));
  await tx.update(sessions).set({ has_otp: true, otp_at: at }).where(own);
}

/**
 * Notes that an account has one factor more, which its session has just given. With the first one all other sessions
 * end, which gave one.
 *
 * @param isFirst whether it had none beside the password
 * @returns recovery codes with the first one, else null
 */
export async function beginFactor(
  tx: Transaction,
  tables: Pick<CoreTables, "recoveryCodes" | "sessions" | "accessChanges">,
  { userId, sessionId, at, isFirst }: { userId: number; sessionId?: string; at: Date; isFirst: boolean },
): Promise<string[] | null> {
  const { sessions } = tables;
  const codes = isFirst ? await renewRecoveryCodes(tx, tables, userId) : null;
  if (sessionId !== undefined) {
    const isOther = and(eq(sessions.user_id, userId), ne(sessions.id, sessionId));
    const others = and(isOther, isNull(sessions.revoked_at));
    if (isFirst) await tx.update(sessions).set({ revoked_at: at }).where(others);
    await noteSecondFactor(tx, tables, { userId, sessionId, at });
  }
  await noteAccessChange(tx, tables, userId);
  return codes;
}

/**
 * Turns two factors off, such as for somebody who has lost the phone and the recovery codes. To be audited by the
 * caller, who knows on whose word.
 *
 * @returns how many devices and passkeys are gone
 */
export async function removeSecondFactors(
  tx: Transaction,
  tables: FactorTables & Pick<CoreTables, "recoveryCodes" | "sessions" | "accessChanges">,
  userId: number,
): Promise<number> {
  const { otpDevices, passkeys } = tables;
  const devices = await tx.delete(otpDevices).where(eq(otpDevices.user_id, userId));
  const keys = await tx.delete(passkeys).where(eq(passkeys.user_id, userId));
  await endSecondFactor(tx, tables, userId);
  return devices.rowsAffected + keys.rowsAffected;
}

/** Takes back what an account had with its last device or passkey. */
export async function endSecondFactor(
  tx: Transaction,
  tables: Pick<CoreTables, "recoveryCodes" | "sessions" | "accessChanges">,
  userId: number,
): Promise<void> {
  const { recoveryCodes, sessions } = tables;
  await tx.delete(recoveryCodes).where(eq(recoveryCodes.user_id, userId));
  // A role that asks for two factors asks again, on the next request.
  await tx.update(sessions).set({ has_otp: false, otp_at: null }).where(eq(sessions.user_id, userId));
  await noteAccessChange(tx, tables, userId);
}
