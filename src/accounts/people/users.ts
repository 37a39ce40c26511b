import { eq } from "drizzle-orm";
import type { Database } from "../../db/contract/database.ts";
import { ConstraintError } from "../../db/contract/database-error.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../../errors/codes.ts";
import type { CoreStore } from "./store.ts";
import { toNameKey } from "./name-key.ts";

/** A row of `users`. Its hash goes nowhere but to `Passwords`. */
export type Account = CoreTables["users"]["$inferSelect"];

export interface NewAccount {
  /** Normalized, see `normalizeEmail`. */
  readonly email: string;
  readonly fullName: string | null;
  /** Null for an account that can't log in with a password. */
  readonly passwordHash: string | null;
  /** @default true */
  readonly isActive?: boolean;
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
 * Adds an account, without roles.
 *
 * @throws AppError conflict when the email has one
 */
export async function insertAccount(
  tx: Pick<Database, "insert">,
  { users }: Pick<CoreTables, "users">,
  { email, fullName, passwordHash, isActive = true }: NewAccount,
): Promise<Account> {
  try {
    const values = { email, full_name: fullName, password_hash: passwordHash, is_active: isActive };
    const rows = tx.insert(users).values({ ...values, name_key: toNameKey(fullName) });
    const [account] = await rows.returning();
    if (account === undefined) throw new TypeError("Cannot add an account: nothing was returned");
    return account;
  } catch (error) {
    if (!(error instanceof ConstraintError)) throw error;
    throw fail("conflict", "There is an account with this email already");
  }
}

/**
 * Returns a name as it is kept: composed, without spaces around it, null for an empty one.
 *
 * @throws AppError validation_error for one of more than 255 characters, or with control characters
 */
export function normalizeFullName(text: string | null | undefined): string | null {
  const name = (text ?? "").normalize("NFC").trim();
  if (name === "") return null;
  // Line breaks would let a name add headers to a mail.
  if (name.length <= 255 && name.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) return name;
  const message = "Expected a name of at most 255 characters, without line breaks";
  const errors = [{ path: "/body/full_name", code: "invalid", message }];
  throw fail("validation_error", message, { errors });
}
