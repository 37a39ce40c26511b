import { and, eq, isNull } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { followWithin } from "../federation/role-rules.ts";
import type { Origin } from "../identity/principal.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import type { Account } from "../people/users.ts";
import { endSecondFactor, hasSecondFactor } from "../two-factor/enrolment.ts";

/**
 * Whether an account may have been made by somebody else with the email of whoever has their mail: it was registered with it, and
 * nobody has shown since that the mail reaches them.
 */
export async function isUnproven(
  { db, tables: { auditLog } }: CoreStore,
  { id, email, email_verified_at }: Account,
): Promise<boolean> {
  if (email_verified_at !== null) return false;
  const { action, actor_id, after } = auditLog;
  const [registered] = await db
    .select({ after })
    .from(auditLog)
    .where(and(eq(actor_id, id), eq(action, "user.registered")))
    .limit(1);
  return (registered?.after as { readonly email?: unknown } | null | undefined)?.email === email;
}

/**
 * Ends all that lets somebody into such an account without its password, as part of a transaction that has locked the
 * administration and the account: its passkeys, API keys and links to providers, with the roles that these gave. Codes stay: they
 * let nobody in by themselves.
 *
 * @returns how many API keys those were
 */
export async function endWaysIn(
  tx: Transaction,
  { tables }: CoreStore,
  user: { readonly id: number; readonly email: string },
  { at, origin }: { readonly at: Date; readonly origin: Origin },
): Promise<number> {
  const { apiKeys, identities, passkeys } = tables;
  const linked = await tx
    .select({ id: identities.id })
    .from(identities)
    .where(eq(identities.user_id, user.id));
  for (const { id } of linked) {
    // oxlint-disable-next-line no-await-in-loop -- on one connection
    await followWithin(tx, tables, { identityId: id, user, wanted: [], origin });
  }
  await tx.delete(identities).where(eq(identities.user_id, user.id));
  const had = await hasSecondFactor(tx, tables, user.id);
  await tx.delete(passkeys).where(eq(passkeys.user_id, user.id));
  if (had && !(await hasSecondFactor(tx, tables, user.id))) await endSecondFactor(tx, tables, user.id);
  await noteAccessChange(tx, tables, user.id);
  const own = and(eq(apiKeys.user_id, user.id), isNull(apiKeys.revoked_at));
  return (await tx.update(apiKeys).set({ revoked_at: at }).where(own)).rowsAffected;
}
