import { and, eq } from "drizzle-orm";
import { fail } from "../identity/error-codes.ts";
import type { AuthLimits } from "./attempt-limits.ts";
import { writeAudit } from "../people/audit.ts";
import type { CoreStore } from "../people/store.ts";
import { assertPassword, type Passwords } from "./passwords.ts";
import type { SessionOwner } from "../identity/session-owner.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { assertStanding } from "../identity/standing.ts";
import { findAccount } from "../people/users.ts";

export interface PasswordChangeOptions {
  readonly store: CoreStore;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly limits: Pick<AuthLimits, "confirmation">;
}

/**
 * Gives somebody who knows their password a new one, and ends their other sessions.
 *
 * @throws AppError invalid_credentials when the current one is wrong; rate_limited after too many wrong ones
 * @throws AppError validation_error for a new password that can't be used
 */
export async function changePassword(
  { store, passwords, sessions, limits }: PasswordChangeOptions,
  { user, sessionId, origin }: SessionOwner,
  { current_password, new_password }: { current_password: string; new_password: string },
): Promise<void> {
  const { db, tables } = store;
  const { users } = tables;
  assertPassword(new_password, "new_password");
  const key = String(user.id);
  limits.confirmation.take(key);
  const hash = (await findAccount(store, user.id))?.password_hash ?? null;
  const isRight = hash !== null && (await passwords.verify(current_password, hash)).isValid;
  const target = { type: "user", id: user.id };
  const entry = { action: "user.password_changed", actor: user, target, origin };
  if (hash === null || !isRight) {
    await writeAudit(db, tables, { ...entry, result: "refused" });
    throw fail("invalid_credentials", "The current password is wrong");
  }
  limits.confirmation.giveBack(key);
  const passwordHash = await passwords.hash(new_password);
  await db.transaction(async (tx) => {
    await assertStanding(tx, tables, { userId: user.id, sessionId });
    const { rowsAffected } = await tx
      .update(users)
      .set({ password_hash: passwordHash })
      .where(and(eq(users.id, user.id), eq(users.password_hash, hash)));
    if (rowsAffected === 0) throw fail("conflict", "The password was changed just now: try again");
    await sessions.endAll(tx, user.id, sessionId);
    await writeAudit(tx, tables, entry);
  });
}
