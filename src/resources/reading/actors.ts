import { inArray } from "drizzle-orm";
import type { Database } from "../../db/contract/database.ts";
import type { PublicUsers } from "../../db/schema/core-tables.ts";

/** Somebody who has said or done something. */
export interface Actor {
  readonly id: number;
  readonly email: string;
  readonly full_name: string | null;
}

/** Accounts by id, of those that are still there. */
export async function readActors(
  { db, users }: { readonly db: Database; readonly users: PublicUsers },
  ids: readonly (number | null)[],
): Promise<ReadonlyMap<number, Actor>> {
  const known = [...new Set(ids)].filter((id) => id !== null);
  if (known.length === 0) return new Map();
  const { id, email, full_name: name } = users;
  const rows = await db.select({ id, email, full_name: name }).from(users).where(inArray(id, known));
  return new Map(rows.map((row) => [row.id, row]));
}
