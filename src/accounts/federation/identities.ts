import { and, eq, inArray, isNull, ne } from "drizzle-orm";
import type { Database, Transaction } from "../../db/contract/database.ts";
import { ConstraintError } from "../../db/contract/database-error.ts";
import type { SelectQuery } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../identity/error-codes.ts";
import type { SessionOwner } from "../identity/session-owner.ts";
import { assertStanding } from "../identity/standing.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import { NO_NOTICES, type Notices } from "../notices/notices.ts";
import { writeAudit } from "../people/audit.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { type Account, hasWayInWithoutPassword, lockUser, type WaysIn } from "../people/users.ts";
import { assertIdentifiedLately } from "../two-factor/enrolment.ts";
import { lockAdministration } from "../rights/builtin-roles.ts";
import type { Claimed } from "./claims.ts";
import { followWithin, type RoleChange } from "./role-rules.ts";

/** What a provider knows an account by. */
export type Identity = CoreTables["identities"]["$inferSelect"];

/** What an account is linked to, as its owner sees it. */
export interface IdentityView {
  readonly id: number;
  /** What config.json calls the provider. */
  readonly provider: string;
  readonly email: string | null;
  readonly last_used_at: Date | null;
  readonly created_at: Date;
}

const MAX_IDENTITIES = 20;

/** Finds whom a provider's account is linked to; null for nobody. */
export async function findLinked(
  { db, tables }: CoreStore,
  claimed: Pick<Claimed, "issuer" | "subject">,
): Promise<{ readonly identity: Identity; readonly account: Account } | null> {
  const { identities, users } = tables;
  const [found] = await db
    .select({ identity: identities, account: users })
    .from(identities)
    .innerJoin(users, eq(users.id, identities.user_id))
    .where(eq(identities.subject_hash, toSubjectHash(claimed)));
  return found ?? null;
}

/** Returns what lists the identities of an account. */
export function listIdentities({ db, tables }: CoreStore, userId: number): SelectQuery<IdentityView> {
  const { identities } = tables;
  const { id, provider, email, last_used_at, created_at } = identities;
  return db
    .select({ id, provider, email, last_used_at, created_at })
    .from(identities)
    .where(eq(identities.user_id, userId));
}

/**
 * Links an account to one of a provider, within the transaction of what makes sure that both are of the same person.
 *
 * @throws AppError conflict where that one is linked already, or there are 20
 */
export async function insertIdentity(
  tx: Transaction,
  { identities }: Pick<CoreTables, "identities">,
  userId: number,
  {
    provider,
    claimed,
  }: { readonly provider: string; readonly claimed: Pick<Claimed, "issuer" | "subject" | "email"> },
): Promise<Identity> {
  if ((await tx.$count(identities, eq(identities.user_id, userId))) >= MAX_IDENTITIES)
    throw fail("conflict", `Cannot link the account: ${MAX_IDENTITIES} are linked already`);
  const { issuer, subject, email } = claimed;
  const row = {
    user_id: userId,
    provider,
    issuer,
    subject,
    subject_hash: toSubjectHash(claimed),
    email,
    roles: [],
  };
  try {
    const [added] = await tx.insert(identities).values(row).returning();
    if (added === undefined) throw new TypeError("Cannot link an account: nothing was returned");
    return added;
  } catch (error) {
    if (!(error instanceof ConstraintError)) throw error;
    throw fail("conflict", "The provider's account is linked to an account here already");
  }
}

/**
 * Unlinks one of the owner's identities, and ends the sessions that it has begun but the one that asks. The roles that its
 * rules gave go with it, and are returned.
 *
 * @throws AppError not_found; identification_expired, otp_expired; conflict for the last way into an account without a password
 */
export async function unlinkIdentity(
  {
    db,
    tables,
    ways,
    notices = NO_NOTICES,
  }: CoreStore & { readonly ways: WaysIn; readonly notices?: Notices },
  { user, sessionId, origin }: SessionOwner,
  id: number,
): Promise<RoleChange[]> {
  const { identities, users } = tables;
  const work = async (tx: Transaction): Promise<RoleChange[]> => {
    await lockAdministration(tx, tables);
    const actor = await lockUser(tx, tables, user.id);
    await assertStanding(tx, tables, { userId: user.id, sessionId });
    const own = and(eq(identities.id, id), eq(identities.user_id, user.id));
    const [identity] = await tx.select().from(identities).where(own);
    if (identity === undefined)
      throw fail("not_found", `Cannot unlink identity "${id}": there is none, or not any more`);
    await assertIdentifiedLately(tx, tables, { userId: user.id, sessionId, nowMs: Date.now() });
    const changes = await followWithin(tx, tables, { identityId: id, user: actor, wanted: [], origin });
    await endSessions(tx, tables, { identityId: id, except: sessionId });
    await tx.delete(identities).where(eq(identities.id, id));
    const [account] = await tx.select({ hash: users.password_hash }).from(users).where(eq(users.id, user.id));
    if (account?.hash === null && !(await hasWayInWithoutPassword(tx, tables, user.id, ways)))
      throw fail("conflict", "Cannot unlink the provider: nothing else lets you in");
    await noteAccessChange(tx, tables, user.id);
    const { provider, email } = identity;
    const entry = { action: "identity.unlinked", actor, target: { type: "identity", id }, origin };
    await writeAudit(tx, tables, { ...entry, before: { provider, email } });
    await notices.tell(tx, {
      kind: "provider_unlinked",
      userId: user.id,
      sessionId,
      origin,
      name: provider,
    });
    return changes;
  };
  return db.transaction(work, { isolation: "read committed", retries: 3 });
}

/** Ends the sessions that an identity has begun, but one. */
async function endSessions(
  tx: Transaction,
  { sessions, identitySessions }: Pick<CoreTables, "sessions" | "identitySessions">,
  { identityId, except }: { readonly identityId: number; readonly except: string },
): Promise<void> {
  const { identity_id, session_id } = identitySessions;
  const isOther = and(eq(identity_id, identityId), ne(session_id, except));
  const begun = await tx.select({ id: session_id }).from(identitySessions).where(isOther);
  if (begun.length === 0) return;
  const ids = begun.map((one) => one.id);
  const isLive = and(inArray(sessions.id, ids), isNull(sessions.revoked_at));
  await tx.update(sessions).set({ revoked_at: new Date() }).where(isLive);
}

/** Returns the identity that a session was begun by, with its row; null for one that a password has. */
export async function findSessionIdentity(
  { db, tables }: { readonly db: Pick<Database, "select">; readonly tables: CoreTables },
  sessionId: string,
): Promise<{ readonly provider: string; readonly idToken: string | null } | null> {
  const { identities, identitySessions } = tables;
  const [found] = await db
    .select({ provider: identities.provider, idToken: identitySessions.id_token })
    .from(identitySessions)
    .innerJoin(identities, eq(identities.id, identitySessions.identity_id))
    .where(eq(identitySessions.session_id, sessionId));
  return found ?? null;
}

/** Returns what a provider's account is found by. */
export function toSubjectHash({ issuer, subject }: Pick<Claimed, "issuer" | "subject">): string {
  return hashToken(JSON.stringify([issuer, subject]));
}
