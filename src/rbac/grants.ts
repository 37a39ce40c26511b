import { eq } from "drizzle-orm";
import type { CoreStore } from "../auth/core-store.ts";

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

/** Returns what a role grants, in order. */
export async function readRoleGrants({ db, tables }: CoreStore, roleId: number): Promise<string[]> {
  const { rolePermissions } = tables;
  const rows = await db
    .select({ permission: rolePermissions.permission })
    .from(rolePermissions)
    .where(eq(rolePermissions.role_id, roleId));
  return rows.map(({ permission }) => permission).toSorted();
}
