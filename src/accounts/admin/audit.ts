import { and, desc, eq, gte, lte, or, type SQL } from "drizzle-orm";
import { Elysia, t } from "elysia";
import type { CoreStore } from "../people/store.ts";
import { listOf, type Page, page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { invalidRequest } from "../../errors/codes.ts";
import { Time } from "./answers.ts";
import { startsWith } from "../../db/schema/portable-sql.ts";
import type { Guards } from "../identity/guards.ts";

type AuditRow = CoreTables["auditLog"]["$inferSelect"];

const Values = t.Nullable(t.Record(t.String(), t.Unknown()));

const Entry = t.Object({
  id: t.Integer(),
  at: Time,
  actor_id: t.Nullable(t.Integer({ description: "Null for the command line and somebody unknown" })),
  actor: t.String({ description: "Their email at that time" }),
  viewer_id: t.Nullable(t.Integer({ description: "The administrator who viewed as the actor" })),
  viewer: t.Nullable(t.String({ description: "Their email at that time" })),
  action: t.String({ description: "Such as user.created" }),
  target_type: t.String(),
  target_id: t.String(),
  result: t.UnionEnum(["done", "refused"]),
  ip_address: t.String(),
  user_agent: t.String(),
  before: Values,
  after: Values,
});

const SAFE = String.raw`^[^\u0000-\u001f]*$`;

/** An entry of the audit log as it is shown. */
export interface AuditAnswer extends Omit<AuditRow, "at"> {
  readonly at: string;
}

/** Which entries are asked for. */
export interface AuditQuery extends PageQuery {
  /** Id or email of who did it, also while viewing as somebody else. */
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
async function listAudit(store: CoreStore, query: AuditQuery): Promise<Page<AuditAnswer>> {
  const { auditLog } = store.tables;
  const rows = store.db
    .select()
    .from(auditLog)
    .where(and(...toFilters(store, query)))
    .orderBy(desc(auditLog.at));
  const found = await paginate(rows, query, { sort: ["at", "id"] });
  return { ...found, items: found.items.map((entry) => ({ ...entry, at: entry.at.toISOString() })) };
}

export interface AuditRoutesOptions {
  readonly store: CoreStore;
  readonly guards: Guards;
}

/** Serves the audit log below `/admin/audit`. */
export function auditRoutes({ store, guards }: AuditRoutesOptions) {
  return new Elysia({ name: "xcore/admin/audit", prefix: "/admin/audit", detail: { tags: ["admin"] } })
    .use(guards)
    .get("", ({ query }) => listAudit(store, query), {
      permission: "audit:read",
      query: t.Object({
        ...page.properties,
        actor: t.Optional(t.String({ maxLength: 255, pattern: SAFE, description: "Id or email" })),
        action: t.Optional(
          t.String({ maxLength: 64, pattern: "^[a-z0-9_.]*\\*?$", description: "user.created, or user.*" }),
        ),
        target: t.Optional(t.String({ maxLength: 97, pattern: SAFE, description: "user, or user:7" })),
        // Not a UnionEnum: that one has a default.
        result: t.Optional(t.Union([t.Literal("done"), t.Literal("refused")])),
        from: t.Optional(Time),
        to: t.Optional(Time),
      }),
      response: { 200: listOf(Entry) },
      detail: { summary: "Who did what, the newest first" },
    });
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
  throw invalidRequest(errors);
}

function whose(auditLog: CoreTables["auditLog"], actor: string): SQL | undefined {
  const id = /^\d{1,15}$/.test(actor) ? Number(actor) : null;
  const email = actor.toLowerCase();
  return id === null
    ? or(eq(auditLog.actor, email), eq(auditLog.viewer, email))
    : or(eq(auditLog.actor_id, id), eq(auditLog.viewer_id, id));
}

function whichAction(auditLog: CoreTables["auditLog"], action: string): SQL | undefined {
  if (!action.endsWith("*")) return eq(auditLog.action, action);
  const start = action.slice(0, -1);
  return start === "" ? undefined : startsWith(auditLog.action, start);
}
