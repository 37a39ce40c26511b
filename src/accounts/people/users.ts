import { and, eq, gt, inArray, ne, sql } from "drizzle-orm";
import type { Database, Transaction } from "../../db/contract/database.ts";
import { ConstraintError } from "../../db/contract/database-error.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../../errors/codes.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import type { CoreStore } from "./store.ts";
import { toNameKey } from "./names.ts";

// As text: it is asked at each start, where the table isn't declared yet.
const LEAVING = sql`select id from users where deletion_at is not null limit 1`;

/** A row of `users`. Its hash goes nowhere but to `Passwords`. */
export type Account = CoreTables["users"]["$inferSelect"];

export interface NewAccount {
  /** Normalized, see `normalizeEmail`. */
  readonly email: string;
  readonly fullName: string | null;
  /** Null for an account that can't log in with a password. */
  readonly password: { readonly hash: string; readonly isLong: boolean } | null;
  /** @default true */
  readonly isActive?: boolean;
  /** Whether its owner has to show first that mail reaches them, before they log in. @default false */
  readonly mustVerifyEmail?: boolean;
  /** When it was shown that mail reaches its owner. @default null: never */
  readonly emailVerifiedAt?: Date | null;
}

/** What the columns of an account's password hold. */
export function toPasswordColumns(password: NewAccount["password"]) {
  return { password_hash: password?.hash ?? null, has_long_password: password?.isLong ?? null };
}

/** @param email normalized, see `normalizeEmail` */
export async function findAccountByEmail(
  { db, tables: { users } }: CoreStore,
  email: string,
): Promise<Account | null> {
  const [account] = await db.select().from(users).where(eq(users.email, email));
  return account ?? null;
}

export async function findAccount({ db, tables: { users } }: CoreStore, id: number): Promise<Account | null> {
  const [account] = await db.select().from(users).where(eq(users.id, id));
  return account ?? null;
}

/**
 * Adds an account, without roles, as part of a transaction.
 *
 * @throws AppError conflict when the email has one, or may be taken back by one
 */
export async function insertAccount(
  tx: Pick<Database, "insert" | "select">,
  { users, accountLinks }: Pick<CoreTables, "users" | "accountLinks">,
  { email, fullName, password, isActive = true, mustVerifyEmail = false, emailVerifiedAt = null }: NewAccount,
): Promise<Account> {
  const values = {
    email,
    full_name: fullName,
    name_key: toNameKey(fullName),
    ...toPasswordColumns(password),
    is_active: isActive,
    must_verify_email: mustVerifyEmail,
    email_verified_at: emailVerifiedAt,
  };
  const rows = tx.insert(users).values(values).returning();
  const [account] = await rows.catch((error: unknown) => {
    if (!(error instanceof ConstraintError)) throw error;
    throw fail("conflict", "There is an account with this email already");
  });
  if (account === undefined) throw new TypeError("Cannot add an account: nothing was returned");
  await assertUnclaimed(tx, { accountLinks }, email);
  return account;
}

/** @throws AppError conflict for an email that another account than this has, or may have back */
export async function assertFreeEmail(
  db: Pick<Database, "select">,
  { users, accountLinks }: Pick<CoreTables, "users" | "accountLinks">,
  email: string,
  ownId: number,
): Promise<void> {
  const [taken] = await db.select({ id: users.id }).from(users).where(eq(users.email, email));
  if (taken !== undefined && taken.id !== ownId)
    throw fail("conflict", "There is an account with this email already");
  await assertUnclaimed(db, { accountLinks }, email, ownId);
}

/**
 * Refuses an email that was another account's, while that may take it back: whoever has got into an account and changed its
 * email must not keep its owner from that by another account. To come behind what takes the email: that waits for who is just
 * giving it up, and has claimed it by then.
 *
 * @param ownId the account that it is for. @default a new one
 * @throws AppError conflict
 */
export async function assertUnclaimed(
  db: Pick<Database, "select">,
  { accountLinks }: Pick<CoreTables, "accountLinks">,
  email: string,
  ownId: number | null = null,
): Promise<void> {
  const { id, user_id, purpose, bound_hash, expires_at } = accountLinks;
  const isOthers = ownId === null ? undefined : ne(user_id, ownId);
  const isBack = inArray(purpose, ["undo_email_change", "report_change"]);
  const isClaim = and(isBack, eq(bound_hash, hashToken(email)), isOthers);
  const claims = db.select({ id }).from(accountLinks);
  const [claim] = await claims.where(and(isClaim, gt(expires_at, new Date()))).limit(1);
  if (claim === undefined) return;
  throw fail("conflict", "This email was another account's until lately, and can be taken back for a week");
}

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

/** What lets people in without a password, as the server is set up now. */
export interface WaysIn {
  /** Domain of the passkeys that browsers give to pages of this server; null where they give none. */
  partyId(): string | null;
  /** Whether somebody can sign in by what a provider knows them by: whether it is still there. */
  isServed(identity: { readonly provider: string; readonly issuer: string }): boolean;
}

/**
 * Whether something lets the owner of an account in by itself, without a password. Codes don't: they come second; nor do passkeys of
 * a domain that the server had before, and providers that it has no more.
 */
export async function hasWayInWithoutPassword(
  db: Pick<Database, "select">,
  { passkeys, identities }: Pick<CoreTables, "passkeys" | "identities">,
  userId: number,
  ways: WaysIn,
): Promise<boolean> {
  const partyId = ways.partyId();
  if (partyId !== null) {
    const own = and(eq(passkeys.user_id, userId), eq(passkeys.rp_id, partyId));
    const [passkey] = await db.select({ id: passkeys.id }).from(passkeys).where(own).limit(1);
    if (passkey !== undefined) return true;
  }
  const { provider, issuer } = identities;
  const linked = await db.select({ provider, issuer }).from(identities).where(eq(identities.user_id, userId));
  return linked.some((identity) => ways.isServed(identity));
}

/** Whether accounts are to be deleted, now or later, as their owners want. */
export async function hasLeaving({ db }: Pick<CoreStore, "db">): Promise<boolean> {
  return (await db.execute(LEAVING)).length > 0;
}
