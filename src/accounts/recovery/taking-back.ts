import { and, eq, gte, inArray, isNull, ne } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { followWithin } from "../federation/role-rules.ts";
import type { Origin } from "../identity/principal.ts";
import { keepAccount } from "../links/keeping.ts";
import type { AccountLinks } from "../links/links.ts";
import { writeAudit } from "../people/audit.ts";
import type { CoreStore } from "../people/store.ts";
import type { Account } from "../people/users.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { endSecondFactor, hasSecondFactor } from "../two-factor/enrolment.ts";

export interface TakingBack {
  readonly store: CoreStore;
  readonly links: AccountLinks;
  readonly sessions: Pick<Sessions, "endAll">;
  /** @default Date.now */
  readonly now?: () => number;
}

/** An account that its owner has taken back. */
export interface TakenBack {
  /** Where to send the link for another password. */
  readonly email: string;
  /** Whether that lets them in: not where an administrator has deactivated it. */
  readonly isActive: boolean;
}

/** What its owner takes an account back from. */
export interface Intrusion {
  /** Where the link of its owner was mailed to. */
  readonly email: string;
  /** When that was. */
  readonly mailedAt: Date;
  /** Whether it had been shown by then that mail to it reaches the account's owner. */
  readonly wasProven: boolean;
  /** What was made from then on isn't its owner's. */
  readonly since: Date;
  readonly origin: Origin;
  /** As the audit log calls it. */
  readonly action: string;
}

/**
 * Gives an account back to its owner whom somebody else has put out, as part of a transaction that has locked the administration and
 * the account: the email is put back, all sessions end, what was made since is gone, and nobody is let in until another password
 * was set by mail, or an administrator unlocks it.
 */
export async function takeBack(
  { store, links, sessions, now = Date.now }: TakingBack,
  tx: Transaction,
  account: Account,
  { since, origin, action, mailedAt, wasProven, ...intrusion }: Intrusion,
): Promise<TakenBack> {
  const { tables } = store;
  const { id: userId } = account;
  const at = new Date(now());
  const email = await putBackEmail(tx, store, account, { email: intrusion.email, at: wasProven ? at : null });
  await unlinkSince(tx, tables, account, { since, origin });
  const removed = await removeSince(tx, store, userId, { since, at });
  await tx.update(tables.users).set({ locked_at: at }).where(eq(tables.users.id, userId));
  await links.revoke(tx, userId, ["reset_password", "verify_email", "change_email"]);
  // Those of before went to its owner, whose they stay, even where the stranger was in by then and has changed the email since: it
  // may be them who uses this link.
  await links.revoke(tx, userId, ["report_change", "undo_email_change"], mailedAt);
  // Who was in may have asked for its deletion.
  const was_leaving = await keepAccount(tx, tables, userId);
  const ended = await sessions.endAll(tx, userId);
  await writeAudit(tx, tables, {
    action,
    actor: { id: userId, email },
    target: { type: "user", id: userId },
    origin,
    before: { email: account.email },
    after: { email, since, sessions: ended, was_leaving, ...removed },
  });
  return { email, isActive: account.is_active };
}

/** Gives an account the email back that its owner has shown to have, unless somebody else has it by now; returns the one that it has. */
async function putBackEmail(
  tx: Transaction,
  { tables: { users } }: CoreStore,
  account: Account,
  { email, at }: { readonly email: string; readonly at: Date | null },
): Promise<string> {
  // Where nobody has shown it before, somebody else may have registered it: the reset that comes next has to know.
  if (email === account.email) return email;
  const isTaken = (await tx.$count(users, and(eq(users.email, email), ne(users.id, account.id)))) > 0;
  if (isTaken) return account.email;
  const proven = { email, email_verified_at: at, must_verify_email: false };
  await tx.update(users).set(proven).where(eq(users.id, account.id));
  return email;
}

/** Ends the API keys, devices, passkeys, recovery codes and invitations that were made since. */
async function removeSince(
  tx: Transaction,
  { tables }: CoreStore,
  userId: number,
  { since, at }: { readonly since: Date; readonly at: Date },
) {
  const { apiKeys, auditLog, invitations, otpDevices, passkeys, recoveryCodes } = tables;
  const had = await hasSecondFactor(tx, tables, userId);
  const keys = and(eq(apiKeys.user_id, userId), gte(apiKeys.created_at, since), isNull(apiKeys.revoked_at));
  const revoked = await tx.update(apiKeys).set({ revoked_at: at }).where(keys);
  const devices = await tx
    .delete(otpDevices)
    .where(and(eq(otpDevices.user_id, userId), gte(otpDevices.created_at, since)));
  const others = await tx
    .delete(passkeys)
    .where(and(eq(passkeys.user_id, userId), gte(passkeys.created_at, since)));
  if (had && !(await hasSecondFactor(tx, tables, userId))) await endSecondFactor(tx, tables, userId);
  // Of codes it isn't kept when they were made, but in the audit log.
  const isRenewed = and(
    eq(auditLog.actor_id, userId),
    gte(auditLog.at, since),
    eq(auditLog.action, "otp.recovery_renewed"),
  );
  if ((await tx.$count(auditLog, isRenewed)) > 0)
    await tx.delete(recoveryCodes).where(eq(recoveryCodes.user_id, userId));
  const isSent = and(eq(invitations.invited_by, userId), gte(invitations.sent_at, since));
  await tx.delete(invitations).where(isSent);
  return { api_keys: revoked.rowsAffected, factors: devices.rowsAffected + others.rowsAffected };
}

/** Unlinks the providers that were linked since, and takes the roles that their rules gave. */
async function unlinkSince(
  tx: Transaction,
  tables: CoreStore["tables"],
  user: { readonly id: number; readonly email: string },
  { since, origin }: { readonly since: Date; readonly origin: Origin },
): Promise<void> {
  const { auditLog, identities } = tables;
  const { action, actor_id, at, target_id } = auditLog;
  // The identity that an account was made by is no link.
  const linked = await tx
    .select({ id: target_id })
    .from(auditLog)
    .where(and(eq(actor_id, user.id), gte(at, since), eq(action, "identity.linked")));
  const ids = linked.map(({ id }) => Number(id));
  if (ids.length === 0) return;
  const own = and(eq(identities.user_id, user.id), inArray(identities.id, ids));
  for (const { id } of await tx.select({ id: identities.id }).from(identities).where(own)) {
    // oxlint-disable-next-line no-await-in-loop -- on one connection
    await followWithin(tx, tables, { identityId: id, user, wanted: [], origin });
  }
  await tx.delete(identities).where(own);
}
