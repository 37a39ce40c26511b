import { and, desc } from "drizzle-orm";
import type { Database } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { PublicUsers } from "../../db/schema/core-tables.ts";
import type { Access } from "../access/access.ts";
import { type Actor, readActors } from "../reading/actors.ts";
import { findInSight, missing } from "../reading/rows.ts";
import { type Changes, CHANGING, entriesFor, entriesOf, type HistoryTable, readChanges } from "./entries.ts";

/** An entry of a row's history, as it is shown. */
export interface ShownEntry {
  readonly id: number;
  readonly verb: string;
  readonly at: Date;
  readonly actor_id: number | null;
  /** Null for nobody known, and for an account that is gone. */
  readonly actor: Actor | null;
  /** The administrator who viewed as the actor, and did it; null for the actor alone. */
  readonly viewer_id: number | null;
  readonly viewer: Actor | null;
  /** Of the fields that whoever asks may see. */
  readonly changes: Changes;
}

export interface HistorySource {
  readonly db: Database;
  readonly access: Access;
  readonly history: HistoryTable;
  readonly users: PublicUsers;
}

/**
 * Reads a page of what was done to a row, the latest first.
 *
 * @throws AppError not_found for a row that there isn't to whoever asks
 */
export async function listHistory(
  { db, access, history, users }: HistorySource,
  id: unknown,
  query: PageQuery,
): Promise<Page<ShownEntry>> {
  const isThere = await isInSight(db, access, id);
  const entries = db
    .select()
    .from(history)
    .where(and(entriesOf(history, access.resource, { key: id, isThere }), entriesFor(history, access)))
    .orderBy(desc(history.id));
  const page = await paginate<HistoryTable["$inferSelect"]>(entries, query, { sort: ["id"] });
  if (!isThere && page.items.length === 0) throw missing(access.resource, id);
  return { ...page, items: await showEntries({ db, access, history, users }, page.items) };
}

/** Reads the latest entries of a row that is there to whoever asks, and how many there are in all. */
export async function readEntries(
  source: HistorySource,
  id: unknown,
  limit: number,
): Promise<{ readonly entries: readonly ShownEntry[]; readonly total: number }> {
  const { db, access, history } = source;
  const condition = and(
    entriesOf(history, access.resource, { key: id, isThere: true }),
    entriesFor(history, access),
  );
  const rows = await db.select().from(history).where(condition).orderBy(desc(history.id)).limit(limit);
  return { entries: await showEntries(source, rows), total: await db.$count(history, condition) };
}

async function showEntries(
  { db, access, users }: HistorySource,
  rows: readonly HistoryTable["$inferSelect"][],
): Promise<ShownEntry[]> {
  const ids = rows.flatMap((entry) => [entry.actor_id, entry.viewer_id]);
  const actors = await readActors({ db, users }, ids);
  const shown = (of: number | null): Actor | null => actors.get(of ?? 0) ?? null;
  const items = rows.map(
    ({ id: entry, verb, at, actor_id: actorId, viewer_id: viewerId, changes }): ShownEntry => ({
      id: entry,
      verb,
      at,
      actor_id: actorId,
      actor: shown(actorId),
      viewer_id: viewerId,
      viewer: shown(viewerId),
      changes: pickVisible(access, readChanges(changes)),
    }),
  );
  // A hidden value of JSON may have looked like a change of what isn't hidden.
  return items.filter((item) => !isHidden(access, item));
}

/**
 * Whether a row is in the table and there to whoever asks; one that was deleted is there to who may delete. What is left of one that
 * isn't in the table any more is for those for whom no rule would have hidden it.
 *
 * @throws AppError not_found
 */
async function isInSight(db: Database, access: Access, id: unknown): Promise<boolean> {
  const { resource, mayDelete } = access;
  if ((await findInSight(db, access, id)) !== undefined) return true;
  const seesAll = mayDelete && access.rule("read") === undefined && access.rule("delete") === undefined;
  if (!seesAll) throw missing(resource, id);
  return false;
}

function isHidden({ resource, visible }: Access, { verb, changes }: ShownEntry): boolean {
  if (visible.size === resource.columns.size) return false;
  return CHANGING.some((one) => one === verb) && Object.keys(changes).length === 0;
}

function pickVisible({ visible }: Access, changes: Changes): Changes {
  return Object.fromEntries(Object.entries(changes).filter(([name]) => visible.has(name)));
}
