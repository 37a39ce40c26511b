import { and, eq, inArray } from "drizzle-orm";
import { fail, invalidRequest } from "../../errors/codes.ts";
import { SHORT_FOR_ADMINISTRATOR } from "../login/password-rules.ts";
import { findAccount } from "../people/users.ts";
import {
  type Actor,
  type AdministrationServices,
  administer,
  type Change,
  type Intent,
} from "./administration.ts";
import { readRoleGrants } from "../rights/access.ts";
import { EVERYTHING, USER_ROLE } from "../rights/builtin-roles.ts";
import { findRole } from "./role-list.ts";
import { noUser, readUser, type UserAnswer } from "./user-list.ts";

/**
 * Gives a role to a user, who may hold it already.
 *
 * @throws AppError not_found
 * @throws AppError authorization_error when the role grants, or the user holds, more than the actor does
 */
export async function assignRole(
  services: AdministrationServices,
  actor: Actor,
  held: { userId: number; roleId: number },
): Promise<UserAnswer> {
  return changeRole(services, actor, held, "assign");
}

/**
 * Takes a role from a user, who may not hold it.
 *
 * @throws AppError not_found
 * @throws AppError authorization_error when the role grants, or the user holds, more than the actor does
 * @throws AppError conflict for the last administrator, and one's own right to administer
 */
export async function removeRole(
  services: AdministrationServices,
  actor: Actor,
  held: { userId: number; roleId: number },
): Promise<UserAnswer> {
  return changeRole(services, actor, held, "remove");
}

/** Gives a role within a change; tells whether the user hadn't held it. @throws AppError authorization_error */
export async function giveRole(
  change: Change,
  user: { id: number; email: string },
  role: { id: number; name: string },
): Promise<boolean> {
  const { tx, tables, actorId } = change;
  const grants = await assertMayGive(change, role);
  if (grants.includes(EVERYTHING)) await assertLongPasswords(change, [user.id]);
  const { rowsAffected } = await tx
    .insert(tables.userRoles)
    .values({ user_id: user.id, role_id: role.id })
    .onConflictDoNothing();
  if (rowsAffected === 0) return false;
  await change.noteAccess(user.id);
  change.emit("role.assigned", {
    role_id: role.id,
    role: role.name,
    user_id: user.id,
    email: user.email,
    actor_id: actorId,
  });
  return true;
}

/** Returns what a role grants that the actor may give. @throws AppError authorization_error, otp_expired, identification_expired */
export async function assertMayGive(
  change: Change,
  { id, name }: { readonly id: number; readonly name: string },
): Promise<readonly string[]> {
  const grants = await readRoleGrants(change.store, id);
  change.assertHolds(grants);
  await change.assertHoldsRoles([name]);
  await change.assertMayHandOut(grants);
  return grants;
}

/**
 * Finds the roles of a request by their ids.
 *
 * @param ids undefined for the built-in role "user"
 * @throws AppError validation_error for one that there isn't
 */
export async function findRoles(
  { tx, tables: { roles } }: Pick<Change, "tx" | "tables">,
  ids: readonly number[] | undefined,
): Promise<{ id: number; name: string }[]> {
  const wanted = [...new Set(ids)];
  if (ids !== undefined && wanted.length === 0) return [];
  const found = await tx
    .select({ id: roles.id, name: roles.name })
    .from(roles)
    .where(ids === undefined ? eq(roles.name, USER_ROLE) : inArray(roles.id, wanted));
  const missing = wanted.filter((id) => !found.some((role) => role.id === id));
  if (missing.length === 0) return found;
  const errors = missing.map((id) => ({
    path: "/body/roles",
    code: "not_found",
    message: `There is no role "${id}"`,
  }));
  throw invalidRequest(errors);
}

/**
 * Refuses to let somebody do everything whose password is shorter than an administrator's has to be. One whose length
 * isn't known, for it came with its hash from another system, is taken: it is measured at the next login.
 *
 * @throws AppError conflict
 */
export async function assertLongPasswords({ tx, tables }: Change, userIds: readonly number[]): Promise<void> {
  const { users } = tables;
  const [short] = await tx
    .select({ email: users.email })
    .from(users)
    .where(and(inArray(users.id, [...userIds]), eq(users.has_long_password, false)))
    .limit(1)
    .for("update"); // who changes their password meanwhile is waited for
  if (short === undefined) return;
  const message = `Cannot let "${short.email}" do everything: their password comes first, ${SHORT_FOR_ADMINISTRATOR}`;
  throw fail("conflict", message);
}

async function changeRole(
  services: AdministrationServices,
  actor: Actor,
  { userId, roleId }: { userId: number; roleId: number },
  way: "assign" | "remove",
): Promise<UserAnswer> {
  let roleName = String(roleId);
  const intent: Intent = {
    permission: "users:write",
    action: way === "assign" ? "role.assigned" : "role.removed",
    target: { type: "user", id: userId },
    doing:
      way === "assign"
        ? (name) => `give role "${roleName}" to user "${name}"`
        : (name) => `take role "${roleName}" from user "${name}"`,
  };
  return administer(services, actor, intent, async (change) => {
    const user = await findAccount(change.store, userId);
    if (user === null) throw noUser(userId);
    const role = await findRole(change.store, roleId);
    await change.assertHoldsAllOf(userId);
    roleName = role.name;
    change.nameTarget(user.email);
    const give = way === "assign" ? giveRole : takeRole;
    if (await give(change, user, role)) {
      const what = { role: role.name };
      await change.audit(way === "assign" ? { after: what } : { before: what });
    }
    return readUser(change.store, userId);
  });
}

async function takeRole(
  change: Change,
  user: { id: number; email: string },
  role: { id: number; name: string; requires_otp: boolean },
): Promise<boolean> {
  const { tx, actorId } = change;
  // Nobody frees themselves from the second factor.
  if (role.requires_otp && user.id === actorId) change.assertEverything();
  const { userRoles } = change.tables;
  const { rowsAffected } = await tx
    .delete(userRoles)
    .where(and(eq(userRoles.user_id, user.id), eq(userRoles.role_id, role.id)));
  if (rowsAffected === 0) return false;
  await change.noteAccess(user.id);
  change.emit("role.removed", {
    role_id: role.id,
    role: role.name,
    user_id: user.id,
    email: user.email,
    actor_id: actorId,
  });
  return true;
}
