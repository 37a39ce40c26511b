import { and, desc, eq, gte, lte, type SQL } from "drizzle-orm";
import type { CoreStore } from "../people/store.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../../errors/codes.ts";
import { startsWith } from "./prefix-search.ts";

type AuditRow = CoreTables["auditLog"]["$inferSelect"];

/** An entry of the audit log as it is shown. */
export interface AuditAnswer extends Omit<AuditRow, "at"> {
  readonly at: string;
}

/** Which entries are asked for. */
export interface AuditQuery extends PageQuery {
  /** Id or email of who did it. */
  readonly actor?: string | undefined;
  /** An action, or the beginning of several: "role.*". */
  readonly action?: string | undefined;
  /** "user", or "user:7". */
  readonly target?: string | undefined;
  readonly result?: "done" | "refused" | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Returns a page of the audit log, the newest entries first unless the query says otherwise. */
export async function listAudit(store: CoreStore, query: AuditQuery): Promise<Page<AuditAnswer>> {
  const { auditLog } = store.tables;
  const rows = store.db
    .select()
    .from(auditLog)
    .where(and(...toFilters(store, query)))
    .orderBy(desc(auditLog.at));
  const found = await paginate(rows, query, { sort: ["at", "id"] });
  return { ...found, items: found.items.map((entry) => ({ ...entry, at: entry.at.toISOString() })) };
}

function toFilters(
  { tables: { auditLog } }: CoreStore,
  { actor, action, target, result, from, to }: AuditQuery,
): (SQL | undefined)[] {
  const [type = "", ...id] = (target ?? "").split(":");
  return [
    actor === undefined ? undefined : whose(auditLog, actor),
    action === undefined ? undefined : whichAction(auditLog, action),
    target === undefined ? undefined : eq(auditLog.target_type, type),
    id.length === 0 ? undefined : eq(auditLog.target_id, id.join(":")),
    result === undefined ? undefined : eq(auditLog.result, result),
    from === undefined ? undefined : gte(auditLog.at, toMoment(from, "from")),
    to === undefined ? undefined : lte(auditLog.at, toMoment(to, "to")),
  ];
}

/** The format of a moment lets some through that there aren't, such as a leap second. */
function toMoment(text: string, field: "from" | "to"): Date {
  const moment = new Date(text);
  if (!Number.isNaN(moment.getTime())) return moment;
  const errors = [{ path: `/query/${field}`, code: "invalid", message: "There is no such moment" }];
  throw fail("validation_error", "The request is not valid: see errors", { errors });
}

function whose(auditLog: CoreTables["auditLog"], actor: string): SQL {
  const id = /^\d{1,15}$/.test(actor) ? Number(actor) : null;
  return id === null ? eq(auditLog.actor, actor.toLowerCase()) : eq(auditLog.actor_id, id);
}

function whichAction(auditLog: CoreTables["auditLog"], action: string): SQL | undefined {
  if (!action.endsWith("*")) return eq(auditLog.action, action);
  const start = action.slice(0, -1);
  return start === "" ? undefined : startsWith(auditLog.action, start);
}
