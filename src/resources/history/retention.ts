import { and, eq, inArray, lt } from "drizzle-orm";
import type { Database } from "../../db/contract/database.ts";
import type { Resource } from "../definition/definition.ts";
import { toMoment } from "../filter/moments.ts";
import type { HistoryTable } from "./entries.ts";

/** Entries that are deleted together: others write meanwhile. */
const PIECE = 500;

/**
 * Deletes the entries of a table that are older than its resource keeps them, the oldest first.
 *
 * @param signal where it is aborted the rest is left for another time
 * @returns how many there were
 */
export async function forgetOldEntries(
  { db, history }: { readonly db: Database; readonly history: HistoryTable },
  { tableName, keepsHistory }: Pick<Resource, "tableName" | "keepsHistory">,
  { now, signal }: { readonly now: Date; readonly signal?: AbortSignal },
): Promise<number> {
  const until = keepsHistory === null ? null : toMoment(`@now-${keepsHistory}`, now);
  let deleted = 0;
  while (until !== null && signal?.aborted !== true) {
    // oxlint-disable-next-line no-await-in-loop -- one piece after another
    const old = await db
      .select({ id: history.id })
      .from(history)
      .where(and(eq(history.table_name, tableName), lt(history.at, until)))
      .orderBy(history.at)
      .limit(PIECE);
    if (old.length === 0) break;
    const ids = old.map(({ id }) => id);
    // oxlint-disable-next-line no-await-in-loop
    await db.delete(history).where(inArray(history.id, ids));
    deleted += ids.length;
  }
  return deleted;
}
