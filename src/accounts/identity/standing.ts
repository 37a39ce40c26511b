import { and, eq, gt, isNull, or } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "./error-codes.ts";
import type { Principal } from "./principal.ts";
import { unauthenticated } from "./principals.ts";

/** How long a code, or the password, counts for what asks for a fresh one. */
export const FRESH_MS = 10 * 60_000;

/** What somebody was let in with. */
export interface Standing {
  readonly userId: number;
  /** Null for an API key. */
  readonly sessionId: string | null;
  /** @default null: it is a session */
  readonly apiKeyId?: number | null;
  /** Who views as the user, with the session of their own. @default nobody */
  readonly viewer?: Omit<Standing, "viewer"> | null;
}

export function toStanding({ user, sessionId, apiKeyId, viewer = null }: Principal): Standing {
  const owner = viewer && { userId: viewer.id, sessionId: viewer.sessionId };
  return { userId: user.id, sessionId, apiKeyId, viewer: owner };
}

type State = Pick<CoreTables["users"]["$inferSelect"], "is_active" | "locked_at" | "deletion_at">;

/** Whether neither an administrator nor its owner has locked an account, who gets it back by mail then. */
export function isUnlocked({ is_active, locked_at }: Omit<State, "deletion_at">): boolean {
  return is_active && locked_at === null;
}

/** Whether somebody may be let into an account: it isn't to be deleted either. */
export function isOpen(state: State): boolean {
  return isUnlocked(state) && state.deletion_at === null;
}

/** The same as a condition. */
export function whereOpen({ users }: Pick<CoreTables, "users">) {
  return and(eq(users.is_active, true), isNull(users.locked_at), isNull(users.deletion_at));
}

/**
 * Refuses who has been logged out, deactivated or deleted since the request was let in, and locks what says so until
 * the end of the transaction. For what changes rights, keys or code: it is done before such an end, or not at all.
 * To come first, or behind `lockUser`: everybody locks the account before its session.
 *
 * @param nowMs in ms since the epoch
 * @throws AppError authentication_error
 */
export async function assertStanding(
  tx: Transaction,
  tables: Pick<CoreTables, "users" | "sessions" | "apiKeys">,
  { userId, sessionId, apiKeyId = null, viewer = null }: Standing,
  nowMs: number = Date.now(),
): Promise<void> {
  const { users, sessions, apiKeys } = tables;
  if (viewer !== null) await assertStanding(tx, tables, viewer, nowMs);
  const now = new Date(nowMs);
  const [user] = await tx
    .select({ is_active: users.is_active, deletion_at: users.deletion_at, locked_at: users.locked_at })
    .from(users)
    .where(eq(users.id, userId))
    .for("update");
  if (user === undefined || !isOpen(user)) throw unauthenticated("The account isn't active any more");
  if (sessionId !== null) {
    const isLive = and(isNull(sessions.revoked_at), gt(sessions.expires_at, now));
    const own = and(eq(sessions.id, sessionId), eq(sessions.user_id, userId), isLive);
    const [session] = await tx.select({ id: sessions.id }).from(sessions).where(own).for("update");
    if (session === undefined) throw unauthenticated("The session has ended: log in again");
  }
  if (apiKeyId !== null) {
    const isLive = and(
      isNull(apiKeys.revoked_at),
      or(isNull(apiKeys.expires_at), gt(apiKeys.expires_at, now)),
    );
    const own = and(eq(apiKeys.id, apiKeyId), eq(apiKeys.user_id, userId), isLive);
    const [key] = await tx.select({ id: apiKeys.id }).from(apiKeys).where(own).for("update");
    if (key === undefined) throw unauthenticated("The API key isn't valid any more");
  }
}

/**
 * Refuses a session with one factor when a role of its user asks for two by now.
 *
 * @throws AppError otp_required
 */
export async function assertFactorsGiven(
  tx: Transaction,
  { roles, userRoles, sessions }: Pick<CoreTables, "roles" | "userRoles" | "sessions">,
  { userId, sessionId }: Standing,
): Promise<void> {
  if (sessionId === null) return; // it stands for the session that made the key
  const [asking] = await tx
    .select({ id: roles.id })
    .from(userRoles)
    .innerJoin(roles, eq(roles.id, userRoles.role_id))
    .where(and(eq(userRoles.user_id, userId), eq(roles.requires_otp, true)))
    .limit(1);
  if (asking === undefined) return;
  const [session] = await tx
    .select({ hasOtp: sessions.has_otp })
    .from(sessions)
    .where(eq(sessions.id, sessionId));
  if (session?.hasOtp !== true)
    throw fail("otp_required", "A role asks for two factors: log in with both first");
}
