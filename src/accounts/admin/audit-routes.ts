import { Elysia, t } from "elysia";
import type { CoreStore } from "../people/store.ts";
import type { Guards } from "../identity/guards.ts";
import { page } from "../../db/paging/paginate.ts";
import { listOf, Time } from "./answer-schemas.ts";
import { listAudit } from "./audit-list.ts";

export interface AuditRoutesOptions {
  readonly store: CoreStore;
  readonly guards: Guards;
}

const Values = t.Nullable(t.Record(t.String(), t.Unknown()));

const Entry = t.Object({
  id: t.Integer(),
  at: Time,
  actor_id: t.Nullable(t.Integer({ description: "Null for the command line and somebody unknown" })),
  actor: t.String({ description: "Their email at that time" }),
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
