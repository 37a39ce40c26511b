import { and, eq, isNull, notInArray } from "drizzle-orm";
import type { LinkPurpose } from "../../db/schema/core-tables.ts";
import { normalizeEmail } from "../people/emails.ts";
import { normalizeFullName, toNameKey } from "../people/names.ts";
import type { Passwords } from "../login/passwords.ts";
import { removeSecondFactors } from "../two-factor/enrolment.ts";
import {
  type Account,
  assertUnclaimed,
  findAccount,
  insertAccount,
  toPasswordColumns,
} from "../people/users.ts";
import { type ConfirmOwner, toSessionOwner } from "../identity/session-owner.ts";
import { keepAccount } from "../links/keeping.ts";
import { liftLocks } from "../login/lockout.ts";
import { ConstraintError } from "../../db/contract/database-error.ts";
import { fail } from "../identity/error-codes.ts";
import {
  type Actor,
  type AdministrationServices,
  administer,
  type Change,
  type Intent,
  tellOwner,
} from "./administration.ts";
import { readRoleGrants, readUserGrants } from "../rights/access.ts";
import { EVERYTHING } from "../rights/builtin-roles.ts";
import { assertLongPasswords, findRoles, giveRole } from "./user-roles.ts";
import { noUser, readUser, type UserAnswer } from "./user-list.ts";

export interface UserServices extends AdministrationServices {
  readonly passwords: Pick<Passwords, "choose">;
  /**
   * Asks an administrator who has shown nothing of the kind lately for their password, before their own email changes.
   *
   * @default refuses to change it
   */
  readonly confirmOwner?: ConfirmOwner;
  /** Present time, in ms. @default Date.now */
  readonly now?: () => number;
}

/** What an administrator says of a new user. */
export interface NewUser {
  readonly email: string;
  readonly full_name?: string | null | undefined;
  /** Without one the account can't log in with a password. */
  readonly password?: string | undefined;
  /** Ids of roles. @default the built-in role "user" */
  readonly roles?: readonly number[] | undefined;
}

/** What an administrator changes of a user; what isn't named stays. */
export interface UserChanges {
  readonly email?: string | undefined;
  readonly full_name?: string | null | undefined;
  /** As `setUserActive` does. */
  readonly is_active?: boolean | undefined;
  /** The actor's own, for a change of their own email. */
  readonly current_password?: string | undefined;
}

/** Makes an account. @throws AppError validation_error, conflict, authorization_error */
export async function createUser(
  services: UserServices,
  actor: Actor,
  { email: text, full_name, password, roles: roleIds }: NewUser,
): Promise<UserAnswer> {
  const email = normalizeEmail(text);
  const fullName = normalizeFullName(full_name);
  const isAdministrator = password !== undefined && (await isGrantingEverything(services, roleIds ?? []));
  const chosen =
    password === undefined ? null : await services.passwords.choose(password, { email, isAdministrator });
  const intent: Intent = {
    permission: "users:write",
    action: "user.created",
    doing: () => `create user "${email}"`,
  };
  return administer(services, actor, intent, async (change) => {
    const account = await insertAccount(change.tx, change.tables, { email, fullName, password: chosen });
    const { id } = account;
    const given: string[] = [];
    for (const role of await findRoles(change, roleIds)) {
      // oxlint-disable-next-line no-await-in-loop -- on one connection
      await giveRole(change, account, role);
      given.push(role.name);
    }
    const after = { email, full_name: fullName, has_password: chosen !== null, roles: given };
    await change.audit({ target: { type: "user", id }, after });
    return readUser(change.store, id);
  });
}

/** Changes email and name. @throws AppError not_found, validation_error, conflict, authorization_error */
export async function updateUser(
  services: UserServices,
  actor: Actor,
  id: number,
  changes: UserChanges,
): Promise<UserAnswer> {
  const email = changes.email === undefined ? undefined : normalizeEmail(changes.email);
  const fullName = changes.full_name === undefined ? undefined : normalizeFullName(changes.full_name);
  if (actor?.principal.user.id === id) await assertOwnEmail(services, actor, { ...changes, email });
  return administer(services, actor, toIntent(id, "updated", "change"), async (change) => {
    const account = await requireAccount(change, id);
    if (email !== undefined && email !== account.email) await assertMayTakeOver(change, id);
    const before: Record<string, unknown> = {};
    const after: Record<string, unknown> = {};
    const differs = (name: "email" | "full_name", value: string | null | undefined): void => {
      if (value === undefined || value === account[name]) return;
      before[name] = account[name];
      after[name] = value;
    };
    differs("email", email);
    differs("full_name", fullName);
    if (changes.is_active !== undefined && changes.is_active !== account.is_active) {
      before["is_active"] = account.is_active;
      after["is_active"] = changes.is_active;
      await switchUser(change, account, changes.is_active, services);
    }
    if (Object.keys(after).length > 0) {
      const values = {
        email: email ?? account.email,
        full_name: fullName === undefined ? account.full_name : fullName,
      };
      await saveUser(change, id, { ...values, name_key: toNameKey(values.full_name) });
      if (values.email !== account.email) {
        await assertUnclaimed(change.tx, change.tables, values.email, id);
        await forgetProof(change, id);
      }
      // The email and the name are cached with the user's permissions.
      await change.noteAccess(id);
      await change.audit({ before, after });
      const to = account.email;
      if (after["email"] !== undefined)
        await tellOwner(services, change, { kind: "email_changed", userId: id, to });
    }
    return readUser(change.store, id);
  });
}

/** Deletes an account with its sessions, devices and keys. @throws AppError not_found, conflict, authorization_error */
export async function deleteUser(services: UserServices, actor: Actor, id: number): Promise<void> {
  await administer(services, actor, toIntent(id, "deleted", "delete"), async (change) => {
    const account = await requireAccount(change, id);
    change.assertNotOneself(id, "ask another administrator");
    const { roles } = await readUser(change.store, id);
    const { users } = change.tables;
    await change.tx.delete(users).where(eq(users.id, id));
    await change.noteAccess(id);
    const { email, full_name } = account;
    await change.audit({ before: { email, full_name, roles: roles.map(({ name }) => name) } });
  });
}

/**
 * Lets a user log in again, or no more: then their sessions end. Does nothing when it is so already.
 *
 * @throws AppError not_found, conflict, authorization_error
 */
export async function setUserActive(
  services: UserServices,
  actor: Actor,
  id: number,
  isActive: boolean,
): Promise<UserAnswer> {
  const intent = isActive ? toIntent(id, "activated", "activate") : toIntent(id, "deactivated", "deactivate");
  return administer(services, actor, intent, async (change) => {
    const account = await requireAccount(change, id);
    if (!isActive) change.assertNotOneself(id, "ask another administrator");
    if (account.is_active !== isActive) {
      await switchUser(change, account, isActive, services);
      await change.noteAccess(id);
      await change.audit({ before: { is_active: account.is_active }, after: { is_active: isActive } });
    }
    return readUser(change.store, id);
  });
}

async function switchUser(
  change: Change,
  { id, email }: Pick<Account, "id" | "email">,
  isActive: boolean,
  services: UserServices,
): Promise<void> {
  if (isActive) await assertMayTakeOver(change, id);
  else change.assertNotOneself(id, "ask another administrator");
  const { users } = change.tables;
  await change.tx.update(users).set({ is_active: isActive }).where(eq(users.id, id));
  await liftLocks(change.tx, change.tables, email);
  if (!isActive) await endSessions(change, id, services);
}

/**
 * Sets a password for a user, ends their sessions and lifts a lock.
 *
 * @throws AppError validation_error, not_found, conflict, authorization_error
 */
export async function setUserPassword(
  services: UserServices,
  actor: Actor,
  id: number,
  password: string,
): Promise<void> {
  const account = await findAccount(services.store, id);
  if (account === null) throw noUser(id);
  const isAdministrator = (await readUserGrants(services.store, id)).includes(EVERYTHING);
  const chosen = await services.passwords.choose(password, { email: account.email, isAdministrator });
  await administer(services, actor, toIntent(id, "password_set", "set the password of"), async (change) => {
    const { email } = await requireAccount(change, id);
    // The route of one's own password asks for the present one: a session left open must not be enough.
    change.assertNotOneself(id, "use PUT /auth/password");
    await assertMayTakeOver(change, id);
    const { users } = change.tables;
    // Whoever was in the account knows this one as little as the one before.
    await change.tx
      .update(users)
      .set({ ...toPasswordColumns(chosen), locked_at: null })
      .where(eq(users.id, id));
    // They may have been made an administrator meanwhile.
    if ((await readUserGrants(change.store, id)).includes(EVERYTHING))
      await assertLongPasswords(change, [id]);
    await liftLocks(change.tx, change.tables, email);
    await endSessions(change, id, services);
    await change.noteAccess(id);
    await change.audit({});
    await tellOwner(services, change, { kind: "password_changed", userId: id });
  });
}

/**
 * Turns two factors off for somebody who has lost them, and ends their sessions.
 *
 * @throws AppError not_found, conflict, authorization_error
 */
export async function removeUserOtp(services: UserServices, actor: Actor, id: number): Promise<void> {
  const intent = toIntent(id, "otp_removed", "turn two factors off for");
  await administer(services, actor, intent, async (change) => {
    await requireAccount(change, id);
    // The route of one's own devices asks for a code.
    change.assertNotOneself(id, "use DELETE /auth/otp/devices/{id}");
    await assertMayTakeOver(change, id);
    const devices = await removeSecondFactors(change.tx, change.tables, id);
    // The lost phone may be logged in.
    await endSessions(change, id, services);
    await change.audit({ before: { devices }, after: { devices: 0 } });
    await tellOwner(services, change, { kind: "factors_reset", userId: id });
  });
}

/**
 * Ends the locks that wrong passwords and codes have led to, and the one of an account whose owner has said of a notice that it
 * wasn't them, or who is yet to verify their email: who knows its password is let in.
 *
 * @throws AppError not_found, authorization_error
 */
export async function unlockUser(services: UserServices, actor: Actor, id: number): Promise<UserAnswer> {
  return administer(services, actor, toIntent(id, "unlocked", "unlock"), async (change) => {
    const { email, locked_at, must_verify_email } = await requireAccount(change, id);
    const lifted = await liftLocks(change.tx, change.tables, email);
    if (must_verify_email) await letInUnverified(change, id);
    if (locked_at !== null) {
      await assertMayTakeOver(change, id);
      const { users } = change.tables;
      await change.tx.update(users).set({ locked_at: null }).where(eq(users.id, id));
      await change.noteAccess(id);
      await change.audit({ before: { locked_at: locked_at.toISOString() }, after: { locked_at: null } });
    } else if (lifted > 0 && !must_verify_email) await change.audit({});
    return readUser(change.store, id);
  });
}

/**
 * Keeps an account that is to be deleted, as its owner wants. Does nothing for one that isn't.
 *
 * @throws AppError not_found, authorization_error
 */
export async function keepUser(services: UserServices, actor: Actor, id: number): Promise<UserAnswer> {
  return administer(services, actor, toIntent(id, "deletion_cancelled", "keep"), async (change) => {
    const { deletion_at: at } = await requireAccount(change, id);
    if (at !== null && (await keepAccount(change.tx, change.tables, id))) {
      await tellOwner(services, change, { kind: "deletion_cancelled", userId: id });
      await change.audit({ before: { deletion_at: at.toISOString() }, after: { deletion_at: null } });
    }
    return readUser(change.store, id);
  });
}

/** Lets somebody in who has registered, and whom the link that verifies their email hasn't reached. */
async function letInUnverified(change: Change, id: number): Promise<void> {
  await assertMayTakeOver(change, id);
  const { users } = change.tables;
  await change.tx.update(users).set({ must_verify_email: false }).where(eq(users.id, id));
  await change.audit({ before: { must_verify_email: true }, after: { must_verify_email: false } });
}

/** An email is what an account is known by: whoever finds a session open must not put theirs in its place. */
async function assertOwnEmail(
  { store, confirmOwner }: UserServices,
  { principal, origin }: NonNullable<Actor>,
  { email, current_password: password }: UserChanges,
): Promise<void> {
  if (email === undefined || email === (await findAccount(store, principal.user.id))?.email) return;
  const owner = toSessionOwner(principal, origin);
  if (confirmOwner === undefined) throw fail("authorization_error", "Your own email can't be changed here");
  await confirmOwner(owner, { password, action: "user.updated" });
}

/** Whether one of these roles lets its holder do everything. */
async function isGrantingEverything({ store }: UserServices, roleIds: readonly number[]): Promise<boolean> {
  for (const id of new Set(roleIds)) {
    // oxlint-disable-next-line no-await-in-loop -- seldom more than one
    if ((await readRoleGrants(store, id)).includes(EVERYTHING)) return true;
  }
  return false;
}

function toIntent(id: number, done: string, verb: string): Intent {
  return {
    permission: "users:write",
    action: `user.${done}`,
    target: { type: "user", id },
    doing: (user) => `${verb} user "${user}"`,
  };
}

/** Returns an account that the actor may change: its rights are among the actor's. */
async function requireAccount(change: Change, id: number): Promise<Account> {
  const account = await findAccount(change.store, id);
  if (account === null) throw noUser(id);
  await change.assertHoldsAllOf(id);
  change.nameTarget(account.email);
  return account;
}

/** Whoever gives an account another email, password or way in can use it. Of one's own, other routes ask for more. */
async function assertMayTakeOver(change: Change, id: number): Promise<void> {
  if (id !== change.actorId) await change.assertMayHandOut(await readUserGrants(change.store, id));
}

async function saveUser(
  { tx, tables: { users } }: Change,
  id: number,
  values: { email: string; full_name: string | null; name_key: string | null },
): Promise<void> {
  try {
    await tx.update(users).set(values).where(eq(users.id, id));
  } catch (error) {
    if (!(error instanceof ConstraintError)) throw error;
    throw fail("conflict", "There is an account with this email already");
  }
}

/** Nobody has shown that mail to an email arrives that an administrator has set; links to the one before are void. */
async function forgetProof(change: Change, userId: number): Promise<void> {
  const { accountLinks, users } = change.tables;
  const unproven = { email_verified_at: null, must_verify_email: false };
  await change.tx.update(users).set(unproven).where(eq(users.id, userId));
  // Whoever has asked for their account to be deleted may still keep it. Of one's own account, somebody else may have changed the
  // email: by these its owner takes it back.
  const kept: LinkPurpose[] = ["keep_account"];
  if (userId === change.actorId) kept.push("report_change", "undo_email_change");
  const isVoid = and(eq(accountLinks.user_id, userId), notInArray(accountLinks.purpose, kept));
  await change.tx.delete(accountLinks).where(isVoid);
}

async function endSessions(
  { tx, tables: { sessions } }: Change,
  userId: number,
  { now = Date.now }: UserServices,
): Promise<void> {
  await tx
    .update(sessions)
    .set({ revoked_at: new Date(now()) })
    .where(and(eq(sessions.user_id, userId), isNull(sessions.revoked_at)));
}
