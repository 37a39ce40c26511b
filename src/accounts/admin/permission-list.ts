import { and, asc, eq } from "drizzle-orm";
import type { CoreStore } from "../people/store.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import { startsWith } from "./prefix-search.ts";

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
