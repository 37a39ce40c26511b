import { fail } from "../identity/error-codes.ts";
import type { ConfirmOwner, ConfirmPassword, SessionOwner } from "../identity/session-owner.ts";
import { writeAudit } from "../people/audit.ts";
import type { CoreStore } from "../people/store.ts";
import { findAccount } from "../people/users.ts";
import type { AuthLimits } from "./attempt-limits.ts";
import type { Passwords } from "./passwords.ts";

export interface PasswordConfirmationOptions {
  readonly store: CoreStore;
  readonly passwords: Pick<Passwords, "verify">;
  readonly limits: Pick<AuthLimits, "confirmation">;
}

/**
 * Creates what asks somebody who has logged in for the password again. Wrong ones are counted by session: a stolen one
 * keeps nobody from theirs.
 */
export function createPasswordConfirmation({
  store,
  passwords,
  limits,
}: PasswordConfirmationOptions): ConfirmPassword {
  return async ({ user, sessionId, origin }, { password, action }) => {
    const giveBack = await limits.confirmation.take(sessionId);
    const hash = (await findAccount(store, user.id))?.password_hash ?? null;
    const isRight = hash !== null && (await passwords.verify(password, hash)).isValid;
    if (hash === null || !isRight) {
      const target = { type: "user", id: user.id };
      const entry = { action, actor: user, target, origin, result: "refused" as const };
      await writeAudit(store.db, store.tables, { ...entry, after: { reason: "wrong_password" } });
      throw fail("invalid_credentials", "The current password is wrong");
    }
    giveBack();
    return hash;
  };
}

/**
 * Creates what lets somebody go on who gives the password again, or was asked for it a short while ago.
 *
 * @param assertIdentifiedLately throws for a session that has shown nothing for too long
 */
export function createOwnerConfirmation(
  confirmPassword: ConfirmPassword,
  assertIdentifiedLately: (owner: SessionOwner) => Promise<void>,
): ConfirmOwner {
  return async (owner, { password, action }) => {
    if (password === undefined) await assertIdentifiedLately(owner);
    else await confirmPassword(owner, { password, action });
  };
}
