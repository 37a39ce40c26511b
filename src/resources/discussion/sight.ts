import { and, eq } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { Dialect } from "../../db/contract/driver.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import { toForbidden } from "../../accounts/identity/guards.ts";
import { unauthenticated } from "../../accounts/identity/principals.ts";
import type { Access } from "../access/access.ts";
import { findInSight, missing } from "../reading/rows.ts";

/** What what is said of rows, and attached to them, is read and written with. */
export interface DiscussionSource {
  readonly db: Database;
  readonly access: Access;
  readonly core: CoreDeclaration;
  readonly dialect: Dialect;
}

/**
 * Looks whether a row is there to whoever asks; one that is deleted and kept is there to who may delete it.
 *
 * @throws AppError not_found
 */
export async function assertInSight({ db, access }: DiscussionSource, id: unknown): Promise<void> {
  if ((await findInSight(db, access, id)) === undefined) throw missing(access.resource, id);
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

/** Whether whoever asks has said or attached it, and may still change something here. */
export function isOwn({ asker, mayChange }: Access, author: number | null): boolean {
  return mayChange && asker.user !== null && asker.user.id === author;
}

/** Whether whoever asks may take it away: who has said or attached it, and who may delete rows. */
export function mayTakeAway(access: Access, author: number | null): boolean {
  const { asker, mayDelete, resource } = access;
  return isOwn(access, author) || (asker.user !== null && mayDelete && resource.permission !== null);
}
