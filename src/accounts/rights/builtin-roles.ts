import { and, eq, inArray, isNull } from "drizzle-orm";
import { whereOpen } from "../identity/standing.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../../errors/codes.ts";

/** The role that may do everything. */
export const ADMIN_ROLE = "admin";
/** The role that every account gets that registers. */
export const USER_ROLE = "user";
/** The grant that covers every permission. */
export const EVERYTHING = "*";

/** The roles that are always there. */
export const BUILTIN_ROLES = [
  { name: ADMIN_ROLE, description: "May do everything", permissions: [EVERYTHING] },
  { name: USER_ROLE, description: "Everybody who has registered", permissions: [] },
] as const;

/** Makes the built-in roles where they are missing. Several instances may do so at once. */
export async function ensureBuiltinRoles({ db, tables }: CoreStore): Promise<void> {
  const { roles, rolePermissions } = tables;
  for (const { name, description, permissions } of BUILTIN_ROLES) {
    // oxlint-disable-next-line no-await-in-loop -- one transaction after another
    await db.transaction(async (tx) => {
      const [known] = await tx.select({ id: roles.id }).from(roles).where(eq(roles.name, name));
      if (known !== undefined) return;
      await tx
        .insert(roles)
        .values({ name, description, is_builtin: true })
        .onConflictDoNothing({ target: roles.name });
      const [role] = await tx.select({ id: roles.id }).from(roles).where(eq(roles.name, name)).for("update");
      if (role === undefined) return; // made by another instance, whose transaction this one doesn't see
      for (const permission of permissions) {
        // oxlint-disable-next-line no-await-in-loop -- one connection
        await tx.insert(rolePermissions).values({ role_id: role.id, permission }).onConflictDoNothing();
      }
    });
  }
}

/**
 * Gives a user a role, which they may hold already.
 *
 * @throws AppError not_found for a role that there isn't
 */
export async function grantRole(
  tx: Transaction,
  tables: Pick<CoreTables, "roles" | "userRoles" | "accessChanges">,
  userId: number,
  roleName: string,
): Promise<void> {
  const { roles, userRoles } = tables;
  const [role] = await tx.select({ id: roles.id }).from(roles).where(eq(roles.name, roleName));
  if (role === undefined) {
    throw fail("not_found", `Cannot give the role "${roleName}": there is none`);
  }
  await tx.insert(userRoles).values({ user_id: userId, role_id: role.id }).onConflictDoNothing();
  await noteAccessChange(tx, tables, userId);
}

/**
 * Makes everybody who changes accounts wait for each other, on all instances, so that what one has checked still holds
 * when it is committed. To be the first query of a transaction that reads what is committed.
 */
export async function lockAdministration(
  tx: Transaction,
  { roles }: Pick<CoreTables, "roles">,
): Promise<void> {
  await tx.select({ id: roles.id }).from(roles).where(eq(roles.name, ADMIN_ROLE)).for("update");
}

/**
 * Whether somebody may do everything who is let in, and isn't about to leave.
 *
 * @param countsLocked whether whoever is locked until they set another password by mail counts too: they come back. @default false
 */
export async function hasAdministrator(
  {
    db,
    tables,
  }: {
    readonly db: Pick<Database, "select">;
    readonly tables: Pick<CoreTables, "users" | "userRoles" | "rolePermissions">;
  },
  { countsLocked = false }: { readonly countsLocked?: boolean } = {},
): Promise<boolean> {
  const { users, userRoles, rolePermissions } = tables;
  const granting = await db
    .select({ id: rolePermissions.role_id })
    .from(rolePermissions)
    .where(eq(rolePermissions.permission, EVERYTHING));
  if (granting.length === 0) return false;
  const isThere = countsLocked
    ? and(eq(users.is_active, true), isNull(users.deletion_at))
    : whereOpen({ users });
  // In two queries: in one, SQLite would begin with every user.
  const ids = granting.map(({ id }) => id);
  const [administrator] = await db
    .select({ id: users.id })
    .from(userRoles)
    .innerJoin(users, eq(users.id, userRoles.user_id))
    .where(and(inArray(userRoles.role_id, ids), isThere))
    .limit(1);
  return administrator !== undefined;
}

/**
 * Says who is left to administer: 2 for somebody who is let in, 1 for nobody but who is locked until they set another password by
 * mail, 0 for nobody. What lessens it isn't done.
 */
export async function rankAdministration(store: Parameters<typeof hasAdministrator>[0]): Promise<number> {
  if (await hasAdministrator(store)) return 2;
  return (await hasAdministrator(store, { countsLocked: true })) ? 1 : 0;
}
