import { and, eq, inArray, isNotNull, or } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { ConstraintError } from "../../db/contract/database-error.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { NOBODYS_DOMAIN } from "../people/emails.ts";
import { noteAccessChange } from "../people/store.ts";
import { type Account, toPasswordColumns } from "../people/users.ts";

/** What belongs to somebody and goes with them, by the columns that say whose it is. */
export function listOwned(tables: CoreTables) {
  return [
    tables.sessions.user_id,
    tables.otpDevices.user_id,
    tables.recoveryCodes.user_id,
    tables.passkeys.user_id,
    tables.identities.user_id,
    tables.apiKeys.user_id,
    tables.userRoles.user_id,
    tables.accountLinks.user_id,
    tables.invitations.invited_by,
    tables.savedViewDefaults.user_id,
    tables.savedViews.user_id,
  ];
}

/**
 * Deletes an account, as part of a transaction, with all that belongs to it. Entries of the audit log, histories, comments and
 * files keep its id, which nobody else gets, and no name. Where rows of plugins refer to it still, its own row is kept, without
 * anything in it that tells who it was.
 *
 * @returns whether its row is gone
 */
export async function eraseAccount(
  tx: Transaction,
  tables: CoreTables,
  { id, email }: Account,
): Promise<boolean> {
  await forgetName(tx, tables, id);
  const { mails, users } = tables;
  await tx.delete(mails).where(and(eq(mails.recipient, email), isNotNull(mails.ended_at)));
  for (const owner of listOwned(tables)) {
    // oxlint-disable-next-line no-await-in-loop -- on one connection
    await tx.delete(owner.table).where(eq(owner, id));
  }
  await noteAccessChange(tx, tables, id);
  try {
    // A savepoint: PostgreSQL would refuse all that comes behind a statement that it has refused.
    await tx.transaction((inner) => inner.delete(users).where(eq(users.id, id)));
    return true;
  } catch (error) {
    if (!(error instanceof ConstraintError)) throw error;
    await tx.update(users).set(toNobody(id)).where(eq(users.id, id));
    return false;
  }
}

/** What the row of an account holds that was deleted. */
function toNobody(id: number) {
  return {
    email: `deleted-${id}@${NOBODYS_DOMAIN}`,
    full_name: null,
    name_key: null,
    ...toPasswordColumns(null),
    is_active: false,
    email_verified_at: null,
    locked_at: null,
    deletion_at: null,
    language: null,
    theme: null,
    last_login_at: null,
  };
}

/** What entries of the audit log are about that is of whoever has done it. */
const OWN_TARGETS = ["api_key", "identity", "otp_device", "passkey", "session"];

/** What somebody did stays in the audit log, under their id. */
async function forgetName(
  tx: Transaction,
  { auditLog, sessions }: Pick<CoreTables, "auditLog" | "sessions">,
  id: number,
): Promise<void> {
  const name = `deleted user ${id}`;
  const nowhere = { ip_address: "", user_agent: "" };
  await tx
    .update(auditLog)
    .set({ actor: name, ...nowhere })
    .where(eq(auditLog.actor_id, id));
  await tx
    .update(auditLog)
    .set({ viewer: name, ...nowhere })
    .where(eq(auditLog.viewer_id, id));
  // What has become of their account, and of what is its own, may be told by their email and by names that they gave.
  const told = { before: null, after: null };
  const { action, actor_id, after, target_id, target_type } = auditLog;
  const isAbout = and(eq(target_type, "user"), eq(target_id, String(id)));
  const isOwn = and(eq(actor_id, id), inArray(target_type, OWN_TARGETS));
  const own = await tx.select({ id: sessions.id }).from(sessions).where(eq(sessions.user_id, id));
  const accepted = await tx
    .select({ after })
    .from(auditLog)
    .where(and(isAbout, eq(action, "invitation.accepted")));
  const ofOthers = [
    ["session", own.map((session) => session.id)],
    ["invitation", accepted.flatMap((entry) => entry.after?.["invitation"] ?? []).map(String)],
  ] as const;
  await tx.update(auditLog).set(told).where(or(isAbout, isOwn));
  for (const [type, ids] of ofOthers) {
    if (ids.length === 0) continue;
    const isNamed = and(eq(target_type, type), inArray(target_id, [...ids]));
    // oxlint-disable-next-line no-await-in-loop -- on one connection
    await tx.update(auditLog).set(told).where(isNamed);
  }
}
