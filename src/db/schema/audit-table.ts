import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { TableFunction } from "./tables.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the table of who has done what to whom. */
export function createAuditLog(schema: Schema) {
  const { bigint, enumOf, id, index, json, table, text, timestamp, varchar } = schema;
  return table(
    "audit_log",
    {
      id: id(),
      at: timestamp().notNull().defaultNow(),
      /** Null for the command line and for somebody unknown. No foreign key: entries outlive accounts. */
      actor_id: bigint(),
      actor: varchar(255).notNull().default(""),
      /** The administrator who has done it while viewing as the actor; null for the actor alone. */
      viewer_id: bigint(),
      viewer: text(),
      action: varchar(64).notNull(),
      target_type: varchar(32).notNull().default(""),
      target_id: varchar(64).notNull().default(""),
      result: enumOf(["done", "refused"]).notNull().default("done"),
      ip_address: varchar(64).notNull().default(""),
      user_agent: varchar(255).notNull().default(""),
      before: json<Record<string, unknown>>(),
      after: json<Record<string, unknown>>(),
    },
    (t) => [
      index("audit_log_at").on(t.at),
      index("audit_log_actor").on(t.actor_id, t.at),
      index("audit_log_viewer").on(t.viewer_id, t.at),
      index("audit_log_target").on(t.target_type, t.target_id),
    ],
  );
}
