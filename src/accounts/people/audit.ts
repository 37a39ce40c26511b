import { asc, inArray, lt, sql } from "drizzle-orm";
import type { Database } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { Origin, Viewer } from "../identity/principal.ts";
import { steadyNow } from "./steady-clock.ts";
import type { CoreStore } from "./store.ts";

const PRUNED_AT_ONCE = 1000;
const DAY_MS = 86_400_000;

/** Something that was done, or refused, and must be accounted for. */
export interface AuditEntry {
  /** "user.login", "role.update", … */
  readonly action: string;
  /** Who did it, and who viewed as them then; null for somebody unknown. @default null */
  readonly actor?: { readonly id: number; readonly email: string; readonly viewer?: Viewer } | null;
  readonly target?: { readonly type: string; readonly id: string | number };
  /** @default "done" */
  readonly result?: "done" | "refused";
  readonly origin?: Origin;
  /** What was there before and is there after, without secrets. */
  readonly before?: Record<string, unknown>;
  readonly after?: Record<string, unknown>;
}

/** Writes an entry, within the transaction of what it tells of where there is one. */
export async function writeAudit(
  db: Pick<Database, "insert">,
  { auditLog }: Pick<CoreTables, "auditLog">,
  entry: AuditEntry,
): Promise<void> {
  const { action, actor = null, target, result = "done", origin, before, after } = entry;
  await db.insert(auditLog).values({
    action,
    actor_id: actor?.id ?? null,
    actor: actor?.email ?? "",
    viewer_id: actor?.viewer?.id ?? null,
    viewer: actor?.viewer?.email ?? null,
    target_type: target?.type ?? "",
    target_id: String(target?.id ?? ""),
    result,
    ip_address: origin?.ipAddress ?? "",
    user_agent: origin?.userAgent ?? "",
    before: before ?? null,
    after: after ?? null,
  });
}

/** Whether the audit log has entries that are older than so many days. */
export async function hasOldAudit({ db, tables }: CoreStore, days: number): Promise<boolean> {
  // Before the table is declared for it, which a new server does without.
  if ((await db.execute(sql`select id from audit_log limit 1`)).length === 0) return false;
  const { auditLog } = tables;
  const isOld = lt(auditLog.at, daysAgo(days));
  return (await db.select({ id: auditLog.id }).from(auditLog).where(isOld).limit(1)).length > 0;
}

/**
 * Deletes the entries that are older than so many days, the oldest first, a thousand at a time: nobody waits long for the
 * database. An entry says how many there were.
 */
export async function pruneAudit(
  { db, tables }: CoreStore,
  days: number,
  signal: AbortSignal,
): Promise<number> {
  const { auditLog } = tables;
  const before = daysAgo(days);
  let pruned = 0;
  for (let isMore = true; isMore && !signal.aborted;) {
    // oxlint-disable-next-line no-await-in-loop -- a batch at a time
    const old = await db
      .select({ id: auditLog.id })
      .from(auditLog)
      .where(lt(auditLog.at, before))
      .orderBy(asc(auditLog.at))
      .limit(PRUNED_AT_ONCE);
    const ids = old.map(({ id }) => id);
    // oxlint-disable-next-line no-await-in-loop
    if (ids.length > 0) await db.delete(auditLog).where(inArray(auditLog.id, ids));
    pruned += ids.length;
    isMore = ids.length === PRUNED_AT_ONCE;
  }
  if (pruned > 0)
    await writeAudit(db, tables, { action: "audit.pruned", after: { entries: pruned, before } });
  return pruned;
}

/** A clock that goes wrong for a minute deletes nothing. */
function daysAgo(days: number): Date {
  return new Date(Math.min(Date.now(), steadyNow()) - days * DAY_MS);
}
