import { and, eq, isNotNull } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { AccountLinks } from "./links.ts";

/** What the links are for that keep an account which is to be deleted. */
export const KEEP = "keep_account";
/** For who has logged in just now. */
const LIFETIME_MS = 10 * 60_000;

/** Makes the error of a login to an account that is to be deleted: with the token that keeps it. */
export async function toDeletionPending(
  store: CoreStore,
  userId: number,
  deletionAt: Date,
): Promise<AppError> {
  const asked = { purpose: KEEP, userId, lifetimeMs: LIFETIME_MS } as const;
  const token = await store.db.transaction((tx) => new AccountLinks(store).issue(tx, asked));
  const at = deletionAt.toISOString();
  const message = `This account is to be deleted on ${at.slice(0, 10)}, as its owner wants: keep it with POST /auth/deletion/keep, then log in`;
  return fail("deletion_pending", message, { members: { deletion_at: at, keep_token: token } });
}

/**
 * Has an account stay that was to be deleted, as part of a transaction; to be audited by the caller.
 *
 * @returns whether it was to be
 */
export async function keepAccount(
  tx: Transaction,
  tables: Pick<CoreTables, "accessChanges" | "accountLinks" | "users">,
  userId: number,
): Promise<boolean> {
  const { accountLinks, users } = tables;
  const isLeaving = and(eq(users.id, userId), isNotNull(users.deletion_at));
  const { rowsAffected } = await tx.update(users).set({ deletion_at: null }).where(isLeaving);
  if (rowsAffected === 0) return false;
  await tx.delete(accountLinks).where(and(eq(accountLinks.user_id, userId), eq(accountLinks.purpose, KEEP)));
  await noteAccessChange(tx, tables, userId);
  return true;
}
