import { and, eq, isNotNull, isNull } from "drizzle-orm";
import { invalidRequest } from "../../errors/codes.ts";
import { fail } from "../identity/error-codes.ts";
import type { ConfirmOwner, ConfirmPassword, SessionOwner } from "../identity/session-owner.ts";
import { NO_NOTICES, type Notices } from "../notices/notices.ts";
import { writeAudit } from "../people/audit.ts";
import type { CoreStore } from "../people/store.ts";
import {
  findAccount,
  hasWayInWithoutPassword,
  lockUser,
  toPasswordColumns,
  type WaysIn,
} from "../people/users.ts";
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
  readonly confirmOwner: ConfirmOwner;
  readonly ways: WaysIn;
  /** @default nobody is told */
  readonly notices?: Notices;
}

/**
 * Gives somebody who knows their password a new one, or somebody without one their first, who has shown a short while ago
 * that it is them. Their other sessions end.
 *
 * @throws AppError invalid_credentials when the current one is wrong; rate_limited after too many wrong ones
 * @throws AppError validation_error for a new password that can't be used, and for none where there is a current one
 * @throws AppError identification_expired, otp_expired where there is none
 */
export async function changePassword(
  options: Omit<PasswordChangeOptions, "ways">,
  owner: SessionOwner,
  { current_password, new_password }: { current_password?: string | undefined; new_password: string },
): Promise<void> {
  const { store, passwords, sessions, notices = NO_NOTICES } = options;
  const { db, tables } = store;
  const { users } = tables;
  const { user, sessionId, origin } = owner;
  assertPassword(new_password, "new_password");
  const action = "user.password_changed";
  const hash = await confirmPresent(options, owner, { password: current_password, action });
  const isAdministrator = (await readUserGrants(store, user.id)).includes(EVERYTHING);
  const choice = { email: user.email, isAdministrator, field: "new_password" };
  const password = await passwords.choose(new_password, choice);
  await db.transaction(async (tx) => {
    await assertStanding(tx, tables, { userId: user.id, sessionId });
    const { rowsAffected } = await tx
      .update(users)
      .set(toPasswordColumns(password))
      .where(
        and(
          eq(users.id, user.id),
          hash === null ? isNull(users.password_hash) : eq(users.password_hash, hash),
        ),
      );
    if (rowsAffected === 0) throw fail("conflict", "The password was changed just now: try again");
    const mayDoEverything = (await readUserGrants({ db: tx, tables }, user.id)).includes(EVERYTHING);
    if (mayDoEverything && !password.isLong)
      throw fail("conflict", `Cannot use the password: ${SHORT_FOR_ADMINISTRATOR}`);
    await sessions.endAll(tx, user.id, sessionId);
    await writeAudit(tx, tables, { action, actor: user, target: { type: "user", id: user.id }, origin });
    await notices.tell(tx, { kind: "password_changed", userId: user.id, sessionId, origin });
  });
}

/**
 * Takes the password from an account that something else lets into, and ends its other sessions.
 *
 * @param password the present one; may be left out by who has shown a short while ago that it is them
 * @throws AppError conflict for an account that has none, or that nothing else lets into
 * @throws AppError invalid_credentials, rate_limited, identification_expired, otp_expired as `ConfirmOwner`
 */
export async function removePassword(
  {
    store,
    sessions,
    confirmOwner,
    ways,
    notices = NO_NOTICES,
  }: Omit<PasswordChangeOptions, "passwords" | "confirmPassword">,
  owner: SessionOwner,
  password: string | undefined,
): Promise<void> {
  const { db, tables } = store;
  const { users } = tables;
  const { user, sessionId, origin } = owner;
  const action = "user.password_removed";
  await confirmOwner(owner, { password, action });
  await db.transaction(async (tx) => {
    const actor = await lockUser(tx, tables, user.id);
    await assertStanding(tx, tables, { userId: user.id, sessionId });
    if (!(await hasWayInWithoutPassword(tx, tables, user.id, ways)))
      throw fail("conflict", "Cannot give the password up: nothing else lets you in; add a passkey first");
    const { rowsAffected } = await tx
      .update(users)
      .set(toPasswordColumns(null))
      .where(and(eq(users.id, user.id), isNotNull(users.password_hash)));
    if (rowsAffected === 0) throw fail("conflict", "Cannot give the password up: the account has none");
    await sessions.endAll(tx, user.id, sessionId);
    await writeAudit(tx, tables, { action, actor, target: { type: "user", id: user.id }, origin });
    await notices.tell(tx, { kind: "password_removed", userId: user.id, sessionId, origin });
  });
}

/** Returns the hash of the present password, which was given; null for an account that has none. */
async function confirmPresent(
  { store, confirmPassword, confirmOwner }: Omit<PasswordChangeOptions, "ways">,
  owner: SessionOwner,
  { password, action }: { readonly password: string | undefined; readonly action: string },
): Promise<string | null> {
  if (password !== undefined) return confirmPassword(owner, { password, action });
  if ((await findAccount(store, owner.user.id))?.password_hash != null) {
    const errors = [{ path: "/body/current_password", code: "required", message: "Required, but missing" }];
    throw invalidRequest(errors);
  }
  await confirmOwner(owner, { password, action });
  return null;
}
