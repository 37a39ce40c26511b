import { and, eq } from "drizzle-orm";
import { fail } from "../identity/error-codes.ts";
import type { ConfirmPassword, SessionOwner } from "../identity/session-owner.ts";
import { writeAudit } from "../people/audit.ts";
import type { CoreStore } from "../people/store.ts";
import { toPasswordColumns } from "../people/users.ts";
import { readUserGrants } from "../rights/access.ts";
import { EVERYTHING } from "../rights/builtin-roles.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { assertStanding } from "../identity/standing.ts";
import { assertPassword, SHORT_FOR_ADMINISTRATOR } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";

export interface PasswordChangeOptions {
  readonly store: CoreStore;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly confirmPassword: ConfirmPassword;
}

/**
 * Gives somebody who knows their password a new one, and ends their other sessions.
 *
 * @throws AppError invalid_credentials when the current one is wrong; rate_limited after too many wrong ones
 * @throws AppError validation_error for a new password that can't be used
 */
export async function changePassword(
  { store, passwords, sessions, confirmPassword }: PasswordChangeOptions,
  owner: SessionOwner,
  { current_password, new_password }: { current_password: string; new_password: string },
): Promise<void> {
  const { db, tables } = store;
  const { users } = tables;
  const { user, sessionId, origin } = owner;
  assertPassword(new_password, "new_password");
  const action = "user.password_changed";
  const hash = await confirmPassword(owner, { password: current_password, action });
  const isAdministrator = (await readUserGrants(store, user.id)).includes(EVERYTHING);
  const choice = { email: user.email, isAdministrator, field: "new_password" };
  const password = await passwords.choose(new_password, choice);
  await db.transaction(async (tx) => {
    await assertStanding(tx, tables, { userId: user.id, sessionId });
    const { rowsAffected } = await tx
      .update(users)
      .set(toPasswordColumns(password))
      .where(and(eq(users.id, user.id), eq(users.password_hash, hash)));
    if (rowsAffected === 0) throw fail("conflict", "The password was changed just now: try again");
    const mayDoEverything = (await readUserGrants({ db: tx, tables }, user.id)).includes(EVERYTHING);
    if (mayDoEverything && !password.isLong)
      throw fail("conflict", `Cannot use the password: ${SHORT_FOR_ADMINISTRATOR}`);
    await sessions.endAll(tx, user.id, sessionId);
    await writeAudit(tx, tables, { action, actor: user, target: { type: "user", id: user.id }, origin });
  });
}
