import { eq } from "drizzle-orm";
import type { CoreStore } from "../people/store.ts";

/** Returns what the roles of a user grant, in order; nothing for nobody. */
export async function readUserGrants({ db, tables }: CoreStore, userId: number): Promise<string[]> {
  const { rolePermissions, userRoles } = tables;
  const rows = await db
    .selectDistinct({ permission: rolePermissions.permission })
    .from(userRoles)
    .innerJoin(rolePermissions, eq(rolePermissions.role_id, userRoles.role_id))
    .where(eq(userRoles.user_id, userId));
  return rows.map(({ permission }) => permission).toSorted();
}

/** Returns the names of the roles that a user holds. */
export async function readUserRoles({ db, tables }: CoreStore, userId: number): Promise<string[]> {
  const { roles, userRoles } = tables;
  const rows = await db
    .select({ name: roles.name })
    .from(userRoles)
    .innerJoin(roles, eq(roles.id, userRoles.role_id))
    .where(eq(userRoles.user_id, userId));
  return rows.map(({ name }) => name);
}

/** Returns what a role grants, in order. */
export async function readRoleGrants({ db, tables }: CoreStore, roleId: number): Promise<string[]> {
  const { rolePermissions } = tables;
  const rows = await db
    .select({ permission: rolePermissions.permission })
    .from(rolePermissions)
    .where(eq(rolePermissions.role_id, roleId));
  return rows.map(({ permission }) => permission).toSorted();
}
