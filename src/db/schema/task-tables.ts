import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { TableFunction } from "./tables.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the tables of scheduled tasks. Moments are in ms since the epoch, by the clock of the database. */
export function createTaskTables({
  bigint,
  boolean,
  integer,
  primaryKey,
  table,
  text,
  uuid,
  varchar,
}: Schema) {
  const scheduledTasks = () =>
    table("scheduled_tasks", {
      /** Of its plugin, and its own: "blog:recount". */
      name: varchar(130).primaryKey(),
      plugin: varchar(64).notNull(),
      expression: varchar(255).notNull(),
      /** Null for UTC. */
      timezone: varchar(64),
      is_paused: boolean().notNull().default(false),
      /** What was due before isn't caught up with: it wasn't there, was another one, or was paused. */
      since_at: bigint().notNull(),
      /** When its plugin has last said that there is such a task. */
      seen_at: bigint().notNull(),
      /** The last moment that it was due, and that wasn't missed. */
      last_due_at: bigint(),
      last_started_at: bigint(),
      last_ended_at: bigint(),
      last_duration_ms: bigint(),
      last_failed_at: bigint(),
      last_error: text(),
      runs: integer().notNull().default(0),
      failures: integer().notNull().default(0),
      /** How often it was due while it still ran. */
      skips: integer().notNull().default(0),
      /** The run that no other may overlap, and until when it is taken to go on without a word of it. */
      run_id: uuid(),
      lease_at: bigint(),
    });
  /** Moments that a task was due, each of which is one instance's. */
  const taskTicks = () =>
    table("task_ticks", { name: varchar(130).notNull(), due_at: bigint().notNull() }, (t) => [
      primaryKey({ columns: [t.name, t.due_at] }),
    ]);
  return { scheduledTasks, taskTicks };
}
