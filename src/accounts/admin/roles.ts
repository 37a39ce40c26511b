import { and, eq, inArray } from "drizzle-orm";
import { ConstraintError } from "../../db/contract/database-error.ts";
import { fail, invalidRequest } from "../../errors/codes.ts";
import {
  type Actor,
  type AdministrationServices,
  administer,
  type Change,
  type Intent,
} from "./administration.ts";
import { ADMIN_ROLE, EVERYTHING } from "../rights/builtin-roles.ts";
import { readRoleGrants } from "../rights/access.ts";
import { isGrant } from "../rights/permission-set.ts";
import { assertLongPasswords } from "./user-roles.ts";
import { findRole, readRole, type RoleAnswer } from "./role-list.ts";

/** What names of roles are like. */
export const ROLE_NAME = "^[a-z][a-z0-9_-]{0,63}$";

/** What an administrator says of a new role. */
export interface NewRole {
  readonly name: string;
  /** @default "" */
  readonly description?: string | undefined;
  /** @default none */
  readonly permissions?: readonly string[] | undefined;
  /** Whether who holds it must log in with two factors. @default false */
  readonly requires_otp?: boolean | undefined;
}

/** What an administrator changes of a role; what isn't named stays. */
export interface RoleChanges {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly requires_otp?: boolean | undefined;
}

/** Makes a role. @throws AppError validation_error, conflict, authorization_error */
export async function createRole(
  services: AdministrationServices,
  actor: Actor,
  { name, description: text = "", permissions = [], requires_otp = false }: NewRole,
): Promise<RoleAnswer> {
  const description = text.toWellFormed();
  const grants = toGrants(permissions);
  const intent: Intent = {
    permission: "roles:write",
    action: "role.created",
    doing: () => `create role "${name}"`,
  };
  return administer(services, actor, intent, async (change) => {
    change.assertHolds(grants);
    if (requires_otp) change.assertEverything();
    const { roles } = change.tables;
    const values = { name, description, requires_otp };
    const [row] = await withUniqueName(name, () => change.tx.insert(roles).values(values).returning());
    const id = row?.id ?? 0;
    await addGrants(change, id, grants);
    const after = { name, description, permissions: grants, requires_otp };
    await change.audit({ target: { type: "role", id }, after });
    return announce(change, "role.created", id);
  });
}

/** Changes name, description and whether it asks for two factors. @throws AppError as createRole, not_found */
export async function updateRole(
  services: AdministrationServices,
  actor: Actor,
  id: number,
  changes: RoleChanges,
): Promise<RoleAnswer> {
  return administer(services, actor, toIntent(id, "updated", "change"), async (change) => {
    const role = await findTarget(change, id);
    change.assertHolds(await readRoleGrants(change.store, id));
    const wanted = { ...changes, description: changes.description?.toWellFormed() };
    const given = Object.entries(wanted).filter(([, value]) => value !== undefined);
    const changed = given.filter(([name, value]) => role[name as keyof RoleChanges] !== value);
    if (changed.length === 0) return readRole(change.store, id);
    // Who holds a built-in role, and who must give two factors, concerns everybody.
    if (role.is_builtin || changed.some(([name]) => name === "requires_otp")) change.assertEverything();
    if (role.is_builtin && changed.some(([name]) => name === "name")) {
      throw fail("conflict", `Cannot rename role "${role.name}": it is built in`);
    }
    // Routes may ask for the new name: whoever holds the role gets through them from then on.
    if (wanted.name !== undefined && wanted.name !== role.name) await change.assertHoldsRoles([wanted.name]);
    const after: RoleChanges & Record<string, unknown> = Object.fromEntries(changed);
    const before = Object.fromEntries(changed.map(([name]) => [name, role[name as keyof RoleChanges]]));
    const { roles } = change.tables;
    await withUniqueName(changes.name ?? role.name, () =>
      change.tx.update(roles).set(after).where(eq(roles.id, id)),
    );
    await change.noteAccess(null);
    await change.audit({ before, after });
    return announce(change, "role.updated", id);
  });
}

/** Sets what a role grants: the whole list. @throws AppError as createRole, not_found */
export async function setRolePermissions(
  services: AdministrationServices,
  actor: Actor,
  id: number,
  permissions: readonly string[],
): Promise<RoleAnswer> {
  const grants = toGrants(permissions);
  const intent = toIntent(id, "permissions_set", "set the permissions of");
  return administer(services, actor, intent, async (change) => {
    const role = await findTarget(change, id);
    const before = await readRoleGrants(change.store, id);
    change.assertHolds([...before, ...grants]);
    if (role.is_builtin) change.assertEverything();
    if (role.is_builtin && role.name === ADMIN_ROLE && !grants.includes(EVERYTHING)) {
      throw fail("conflict", `Cannot take "*" from role "${ADMIN_ROLE}": it is built in`);
    }
    const added = grants.filter((grant) => !before.includes(grant));
    const removed = before.filter((grant) => !grants.includes(grant));
    if (added.length + removed.length === 0) return readRole(change.store, id);
    await change.assertMayHandOut(added);
    if (added.includes(EVERYTHING)) await assertLongPasswords(change, await findHolders(change, id));
    await removeGrants(change, id, removed);
    await addGrants(change, id, added);
    const { roles } = change.tables;
    await change.tx.update(roles).set({ updated_at: new Date() }).where(eq(roles.id, id));
    await change.noteAccess(null);
    await change.audit({ before: { permissions: before }, after: { permissions: grants } });
    return announce(change, "role.updated", id);
  });
}

/** Deletes a role, also from everybody who holds it. @throws AppError not_found, conflict, authorization_error */
export async function deleteRole(services: AdministrationServices, actor: Actor, id: number): Promise<void> {
  await administer(services, actor, toIntent(id, "deleted", "delete"), async (change) => {
    const role = await readRole(change.store, id);
    change.nameTarget(role.name);
    change.assertHolds(role.permissions);
    if (role.requires_otp) change.assertEverything();
    if (role.is_builtin) {
      throw fail("conflict", `Cannot delete role "${role.name}": it is built in`);
    }
    const { roles } = change.tables;
    await change.tx.delete(roles).where(eq(roles.id, id));
    await change.noteAccess(null);
    const { name, description, permissions, requires_otp } = role;
    await change.audit({ before: { name, description, permissions, requires_otp } });
    change.emit("role.deleted", { id, name, permissions, actor_id: change.actorId });
  });
}

async function findTarget(change: Change, id: number) {
  const role = await findRole(change.store, id);
  change.nameTarget(role.name);
  return role;
}

function toIntent(id: number, done: string, verb: string): Intent {
  return {
    permission: "roles:write",
    action: `role.${done}`,
    target: { type: "role", id },
    doing: (role) => `${verb} role "${role}"`,
  };
}

/** @throws AppError validation_error for what is no grant */
function toGrants(permissions: readonly string[]): string[] {
  const errors = permissions.flatMap((text, index) =>
    isGrant(text)
      ? []
      : [
          {
            path: `/body/permissions/${index}`,
            code: "invalid",
            message: 'Expected a permission such as "invoices:read", or a wildcard: "invoices:*" or "*"',
          },
        ],
  );
  if (errors.length === 0) return [...new Set(permissions)].toSorted();
  throw invalidRequest(errors);
}

async function findHolders({ tx, tables: { userRoles } }: Change, roleId: number): Promise<number[]> {
  const rows = await tx
    .select({ userId: userRoles.user_id })
    .from(userRoles)
    .where(eq(userRoles.role_id, roleId));
  return rows.map(({ userId }) => userId);
}

async function addGrants({ tx, tables }: Change, roleId: number, grants: readonly string[]): Promise<void> {
  if (grants.length === 0) return;
  const rows = grants.map((permission) => ({ role_id: roleId, permission }));
  await tx.insert(tables.rolePermissions).values(rows);
}

async function removeGrants(
  { tx, tables: { rolePermissions } }: Change,
  roleId: number,
  grants: readonly string[],
): Promise<void> {
  if (grants.length === 0) return;
  await tx
    .delete(rolePermissions)
    .where(and(eq(rolePermissions.role_id, roleId), inArray(rolePermissions.permission, [...grants])));
}

async function announce(
  change: Change,
  event: "role.created" | "role.updated",
  id: number,
): Promise<RoleAnswer> {
  const role = await readRole(change.store, id);
  const { name, permissions } = role;
  change.emit(event, { id, name, permissions: [...permissions], actor_id: change.actorId });
  return role;
}

async function withUniqueName<T>(name: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof ConstraintError)) throw error;
    throw fail("conflict", `Cannot name a role "${name}": there is one already`);
  }
}
