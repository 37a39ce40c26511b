import { and, eq, inArray } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { Dialect } from "../../db/contract/driver.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import { toForbidden } from "../../accounts/identity/guards.ts";
import { unauthenticated } from "../../accounts/identity/principals.ts";
import type { Access } from "../access/access.ts";
import { findRow, missing } from "../reading/rows.ts";

/** What what is said of rows, and attached to them, is read and written with. */
export interface DiscussionSource {
  readonly db: Database;
  readonly access: Access;
  readonly core: CoreDeclaration;
  readonly dialect: Dialect;
}

/** Somebody who has said or done something. */
export interface Actor {
  readonly id: number;
  readonly email: string;
  readonly full_name: string | null;
}

/**
 * Looks whether a row is there to whoever asks; one that is deleted and kept is there to who may delete it.
 *
 * @throws AppError not_found
 */
export async function assertInSight({ db, access }: DiscussionSource, id: unknown): Promise<void> {
  const { resource, mayDelete } = access;
  const rows = access.rowsWithDeleted(mayDelete ? "with" : undefined);
  const row = await findRow(db, resource, and(eq(resource.key, id), rows));
  if (row === undefined) throw missing(resource, id);
}

/** Holds a row that is there until the transaction ends: it isn't deleted meanwhile. @throws AppError not_found */
export async function holdRow(
  tx: Transaction,
  { access, dialect }: DiscussionSource,
  id: unknown,
): Promise<void> {
  const { resource } = access;
  const query = tx
    .select()
    .from(resource.table as PgTable)
    .where(and(eq(resource.key, id), access.rows("read")))
    .limit(1);
  const [row] = dialect === "sqlite" ? await query : await query.for("update");
  if (row === undefined) throw missing(resource, id);
}

/** Who asks, and who views as them. @throws AppError authentication_error for nobody known: what they say would be nobody's */
export function askerOf({ asker: { user } }: Access): {
  readonly author: number;
  readonly viewerId: number | null;
} {
  if (user !== null) return { author: user.id, viewerId: user.viewer?.id ?? null };
  throw unauthenticated("Sign in first: what is said here has a name");
}

/** Nobody else is told whether there is anything to delete. @throws AppError authorization_error */
export function assertMayWrite({ mayChange, mayDelete }: Access): void {
  if (!mayChange && !mayDelete) throw toForbidden("You may neither change nor delete here");
}

/** Accounts by id, of those that are still there. */
export async function readActors(
  { db, core: { users } }: Pick<DiscussionSource, "db" | "core">,
  ids: readonly (number | null)[],
): Promise<ReadonlyMap<number, Actor>> {
  const known = [...new Set(ids)].filter((id) => id !== null);
  if (known.length === 0) return new Map();
  const { id, email, full_name: name } = users;
  const rows = await db.select({ id, email, full_name: name }).from(users).where(inArray(id, known));
  return new Map(rows.map((row) => [row.id, row]));
}
