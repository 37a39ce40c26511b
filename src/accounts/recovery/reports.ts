import { and, eq, gte, inArray, isNull, ne } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { Origin } from "../identity/principal.ts";
import { type AccountLinks, type Link, linkInvalid } from "../links/links.ts";
import { followWithin } from "../federation/role-rules.ts";
import { writeAudit } from "../people/audit.ts";
import type { CoreStore } from "../people/store.ts";
import { type Account, findAccount, lockUser } from "../people/users.ts";
import { lockAdministration } from "../rights/builtin-roles.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { endSecondFactor, hasSecondFactor } from "../two-factor/enrolment.ts";

export interface ReportOptions {
  readonly store: CoreStore;
  readonly links: AccountLinks;
  readonly sessions: Pick<Sessions, "endAll">;
  /** @default Date.now */
  readonly now?: () => number;
}

/** Databases keep times to the second at the worst. */
const SECOND_MS = 1000;

/** Tells whose account a link of a notice is about; changes nothing. @throws AppError link_invalid */
export async function readReport(
  { store, links }: ReportOptions,
  token: string,
): Promise<{ readonly email: string }> {
  const link = await links.find("report_change", token);
  const account = await findAccount(store, link.userId);
  if (account === null) throw linkInvalid();
  return { email: link.data["email"] ?? account.email };
}

/**
 * Locks an account whose owner says of a notice that it wasn't them: all sessions end, what was made since by whoever it was ends
 * too, and nobody is let in until its owner has set another password by mail, or an administrator unlocks it. An email that was
 * changed since the notice is put back: the mail must reach its owner.
 *
 * @returns where to send the link for another password
 * @throws AppError link_invalid
 */
export async function reportChange(
  options: ReportOptions,
  token: string,
  origin: Origin,
): Promise<{ readonly email: string }> {
  const { store, links, sessions, now = Date.now } = options;
  const { db, tables } = store;
  const { userId } = await links.find("report_change", token);
  return db.transaction(
    async (tx) => {
      // Roles may go with what is unlinked.
      await lockAdministration(tx, tables);
      await lockUser(tx, tables, userId);
      const link = await links.take(tx, "report_change", token);
      const account = await findAccount({ db: tx, tables }, userId);
      if (account === null) throw linkInvalid();
      const since = await findBeginning(tx, store, link);
      const email = await putBackEmail(tx, store, account, link.data["email"]);
      await unlinkSince(tx, tables, account, { since, origin });
      const removed = await removeSince(tx, store, account.id, { since, at: new Date(now()) });
      await tx
        .update(tables.users)
        .set({ locked_at: new Date(now()) })
        .where(eq(tables.users.id, userId));
      await links.revoke(tx, userId, ["reset_password", "change_email", "report_change"]);
      const ended = await sessions.endAll(tx, userId);
      await writeAudit(tx, tables, {
        action: "user.change_reported",
        actor: { id: userId, email },
        target: { type: "user", id: userId },
        origin,
        before: { email: account.email },
        after: { email, since, sessions: ended, ...removed },
      });
      return { email };
    },
    { isolation: "read committed", retries: 3 },
  );
}

/** When the session began that a notice is about, and otherwise when it was sent: nothing before that is of the stranger. */
async function findBeginning(
  tx: Transaction,
  { tables }: CoreStore,
  { createdAt, data }: Link,
): Promise<Date> {
  const { sessions } = tables;
  const id = data["session"];
  const [session] =
    id === undefined
      ? []
      : await tx.select({ at: sessions.created_at }).from(sessions).where(eq(sessions.id, id));
  const begun = Math.min(createdAt.getTime(), session?.at.getTime() ?? Infinity);
  return new Date(begun - SECOND_MS);
}

/** Gives an account the email back that a notice was sent to, unless somebody else has it by now; returns the one that it has. */
async function putBackEmail(
  tx: Transaction,
  { tables: { users } }: CoreStore,
  account: Account,
  email = account.email,
): Promise<string> {
  if (email === account.email) return email;
  const isTaken = (await tx.$count(users, and(eq(users.email, email), ne(users.id, account.id)))) > 0;
  if (isTaken) return account.email;
  await tx.update(users).set({ email }).where(eq(users.id, account.id));
  return email;
}

/** Ends the API keys, devices, passkeys and recovery codes that were made since. */
async function removeSince(
  tx: Transaction,
  { tables }: CoreStore,
  userId: number,
  { since, at }: { readonly since: Date; readonly at: Date },
) {
  const { apiKeys, auditLog, otpDevices, passkeys, recoveryCodes } = tables;
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
