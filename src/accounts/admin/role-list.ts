import { and, asc, eq, inArray } from "drizzle-orm";
import { closestWord } from "../../errors/suggestion.ts";
import { isGrant } from "../identity/permission-name.ts";
import type { CoreStore } from "../people/store.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import { startsWith } from "../../db/schema/portable-sql.ts";

const SHOWN_NAMES = 20;

type RoleRow = CoreTables["roles"]["$inferSelect"];

/** A role as it is shown. */
export interface RoleAnswer extends Omit<RoleRow, "created_at" | "updated_at"> {
  /** What it grants, in order: "invoices:read", "invoices:*" or "*". */
  readonly permissions: string[];
  readonly created_at: string;
  readonly updated_at: string;
}

/** Which roles are asked for. */
export interface RoleQuery extends PageQuery {
  /** Beginning of the name. */
  readonly q?: string | undefined;
}

/** Returns a page of roles, in order of their names unless the query says otherwise. */
export async function listRoles(store: CoreStore, query: RoleQuery): Promise<Page<RoleAnswer>> {
  const { roles } = store.tables;
  const text = (query.q ?? "").trim().toLowerCase();
  const where = text === "" ? undefined : startsWith(roles.name, text);
  const rows = store.db.select().from(roles).where(where).orderBy(asc(roles.name));
  const found = await paginate(rows, query, { sort: ["id", "name", "created_at", "updated_at"] });
  return { ...found, items: await toRoleAnswers(store, found.items) };
}

/** @throws AppError not_found */
export async function readRole(store: CoreStore, id: number): Promise<RoleAnswer> {
  const [role] = await toRoleAnswers(store, [await findRole(store, id)]);
  if (role === undefined) throw noRole(id);
  return role;
}

/** @throws AppError not_found */
export async function findRole({ db, tables: { roles } }: CoreStore, id: number): Promise<RoleRow> {
  const [role] = await db.select().from(roles).where(eq(roles.id, id));
  if (role === undefined) throw noRole(id);
  return role;
}

/** @throws AppError not_found */
export async function findRoleByName({ db, tables: { roles } }: CoreStore, name: string): Promise<RoleRow> {
  const [role] = await db.select().from(roles).where(eq(roles.name, name));
  if (role !== undefined) return role;
  const names = (await db.select({ name: roles.name }).from(roles)).map((row) => row.name);
  const meant = closestWord(name, names);
  if (meant !== undefined) throw fail("not_found", `Cannot find role "${name}": did you mean "${meant}"?`);
  if (!isGrant(name)) throw noSuchName(name, names);
  throw fail("not_found", `Cannot find role "${name}": that is a permission, which is given to a role`);
}

function noSuchName(name: string, names: readonly string[]): AppError {
  const some = names.slice(0, SHOWN_NAMES).map((one) => `"${one}"`);
  const more = names.length > some.length ? " and others" : "";
  return fail("not_found", `Cannot find role "${name}": there are ${some.join(", ")}${more}`);
}

function noRole(id: number): AppError {
  return fail("not_found", `Cannot find role "${id}": there is none`);
}

async function toRoleAnswers(store: CoreStore, rows: readonly RoleRow[]): Promise<RoleAnswer[]> {
  if (rows.length === 0) return [];
  const { rolePermissions } = store.tables;
  const ids = rows.map(({ id }) => id);
  const granted = await store.db
    .select()
    .from(rolePermissions)
    .where(inArray(rolePermissions.role_id, ids))
    .orderBy(rolePermissions.permission);
  const byRole = Map.groupBy(granted, ({ role_id }) => role_id);
  return rows.map((role) => ({
    ...role,
    permissions: (byRole.get(role.id) ?? []).map(({ permission }) => permission).toSorted(),
    created_at: role.created_at.toISOString(),
    updated_at: role.updated_at.toISOString(),
  }));
}

/** A permission that roles can hold. */
export interface PermissionAnswer {
  readonly name: string;
  readonly description: string;
  /** The plugin that declares it, or "core". */
  readonly owner: string;
}

/** Which permissions are asked for. */
export interface PermissionQuery extends PageQuery {
  /** Beginning of the name. */
  readonly q?: string | undefined;
  readonly owner?: string | undefined;
}

/** Returns a page of the permissions that are known, in order of their names unless the query says otherwise. */
export async function listPermissions(
  { db, tables: { permissions } }: CoreStore,
  query: PermissionQuery,
): Promise<Page<PermissionAnswer>> {
  const text = (query.q ?? "").trim().toLowerCase();
  const where = and(
    query.owner === undefined ? undefined : eq(permissions.owner, query.owner),
    text === "" ? undefined : startsWith(permissions.name, text),
  );
  const { name, description, owner } = permissions;
  const rows = db
    .select({ name, description, owner })
    .from(permissions)
    .where(where)
    .orderBy(asc(permissions.name));
  return paginate(rows, query, { sort: ["name", "owner"] });
}
