import { asc, eq, sql } from "drizzle-orm";
import { isOpen } from "../identity/standing.ts";
import type { CoreStore } from "../people/store.ts";
import type { Access, Permissions, User } from "../identity/principal.ts";
import { createPermissions } from "./permission-set.ts";

/** Sets of permissions that are kept: as many as there are roles at most, in practice. */
const MAX_SETS = 1000;

/** An account with what it may do. */
export interface LoadedAccess extends Access {
  readonly user: User;
  readonly isActive: boolean;
}

/** Reads from the database who somebody is and what they may do now; null for nobody. */
export type AccessLoader = (userId: number) => Promise<LoadedAccess | null>;

/** Creates a loader that takes two queries by keys, however many users and roles there are. */
export function createAccessLoader(store: CoreStore): AccessLoader {
  let queries: ReturnType<typeof prepareQueries> | null = null;
  const share = createSharing();

  return async (id) => {
    const { selectUser, selectGrants } = (queries ??= prepareQueries(store));
    const [rows, grants] = await Promise.all([
      selectUser.execute({ userId: id }),
      selectGrants.execute({ userId: id }),
    ]);
    const [row] = rows;
    if (row === undefined) return null;
    const names = rows.flatMap(({ role }) => role ?? []);
    return {
      user: Object.freeze({
        id: row.id,
        email: row.email,
        full_name: row.full_name,
        roles: Object.freeze(names),
      }),
      isActive: isOpen(row),
      preferences: { language: row.language, theme: row.theme },
      roles: names,
      permissions: share(grants.map(({ permission }) => permission)),
      requiresOtp: rows.some(({ requires_otp: requiresOtp }) => requiresOtp === true),
    };
  };
}

function prepareQueries({ db, tables }: CoreStore) {
  const { users, userRoles, roles, rolePermissions } = tables;
  const userId = sql.placeholder("userId");
  const selectUser = db
    .select({
      id: users.id,
      email: users.email,
      full_name: users.full_name,
      is_active: users.is_active,
      deletion_at: users.deletion_at,
      locked_at: users.locked_at,
      language: users.language,
      theme: users.theme,
      role: roles.name,
      requires_otp: roles.requires_otp,
    })
    .from(users)
    .leftJoin(userRoles, eq(userRoles.user_id, users.id))
    .leftJoin(roles, eq(roles.id, userRoles.role_id))
    .where(eq(users.id, userId))
    .orderBy(asc(roles.name))
    .prepare("xcore_access_user");
  const selectGrants = db
    .selectDistinct({ permission: rolePermissions.permission })
    .from(userRoles)
    .innerJoin(rolePermissions, eq(rolePermissions.role_id, userRoles.role_id))
    .where(eq(userRoles.user_id, userId))
    .prepare("xcore_access_grants");
  return { selectUser, selectGrants };
}

/** Users with the same roles share one set, and the answers that it keeps. */
function createSharing(): (granted: readonly string[]) => Permissions {
  const sets = new Map<string, Permissions>();
  return (granted) => {
    const sorted = granted.toSorted();
    const key = sorted.join(" ");
    let shared = sets.get(key);
    if (shared === undefined) {
      shared = createPermissions(sorted);
      if (sets.size >= MAX_SETS) sets.clear();
      sets.set(key, shared);
    }
    return shared;
  };
}

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
