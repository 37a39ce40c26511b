import { eq } from "drizzle-orm";
import type { Database } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../definition/error-codes.ts";
import { splitName } from "../definition/options.ts";
import type { Task } from "./routes.ts"; // its type alone: commands do without what routes are made of

/** What is told of a task. */
export type TaskAnswer = typeof Task.static;

/** What is known of tasks where they are asked for. */
export interface TaskSource {
  readonly store: { readonly db: Database; readonly tables: CoreTables };
  /** When a task is due next, in ms since the epoch; null for one that isn't run. */
  readonly nextOf: (row: TaskRow) => number | null;
}

export type TaskRow = CoreTables["scheduledTasks"]["$inferSelect"];

/** Returns a page of tasks, in order of their names unless the query says otherwise. */
export async function listTasks(source: TaskSource, query: PageQuery): Promise<Page<TaskAnswer>> {
  const { db, tables } = source.store;
  const { scheduledTasks: tasks } = tables;
  const found = await paginate(db.select().from(tasks).orderBy(tasks.name), query, {
    sort: { id: tasks.name, last_run_at: tasks.last_started_at, runs: tasks.runs, failures: tasks.failures },
  });
  return { ...found, items: found.items.map((row) => toAnswer(source, row)) };
}

/** @throws AppError not_found */
export async function readTask(source: TaskSource, id: string): Promise<TaskAnswer> {
  const { db, tables } = source.store;
  const { scheduledTasks: tasks } = tables;
  const [row] = await db.select().from(tasks).where(eq(tasks.name, id));
  if (row === undefined) throw fail("not_found", `Cannot find task "${id}": there is none`);
  return toAnswer(source, row);
}

function toAnswer({ nextOf }: TaskSource, row: TaskRow): TaskAnswer {
  const next = nextOf(row);
  return {
    id: row.name,
    plugin: row.plugin,
    name: splitName(row.name).name,
    expression: row.expression,
    timezone: row.timezone ?? "UTC",
    state: toState(row, next),
    next_run_at: row.is_paused ? null : toTime(next),
    last_run_at: toTime(row.last_started_at),
    last_duration_ms: row.last_duration_ms,
    last_failed_at: toTime(row.last_failed_at),
    last_error: row.last_error,
    runs: row.runs,
    failures: row.failures,
    skips: row.skips,
  };
}

function toState(row: TaskRow, next: number | null): TaskAnswer["state"] {
  if (row.run_id !== null && (row.lease_at ?? 0) > Date.now()) return "running";
  if (next === null) return "inactive";
  return row.is_paused ? "paused" : "scheduled";
}

function toTime(at: number | null): string | null {
  return at === null || !Number.isFinite(at) ? null : new Date(at).toISOString();
}
