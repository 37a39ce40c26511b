import { eq } from "drizzle-orm";
import type { Logger } from "pino";
import type { LoadedConfig } from "../config/load.ts";
import type { Database } from "../db/contract/database.ts";
import type { CoreTables } from "../db/schema/core-tables.ts";
import { fail } from "../errors/codes.ts";
import type { ScheduleMaker } from "../jobs/scheduler/schedule.ts";
import type { Scheduler } from "../jobs/scheduler/scheduler.ts";

/** What nobody named a plugin can be called. */
const OWNER = "core";
const TASK = `${OWNER}:backup`;

export interface ScheduleOptions {
  readonly loaded: () => LoadedConfig;
  readonly version: string;
  readonly log: Logger;
}

/**
 * Has a task make backups, where `backups.schedule` says when; of several instances one makes each. Without it nothing is
 * loaded.
 *
 * @throws AppError config_invalid for an expression that can't be read
 */
export async function scheduleBackups(tasks: Scheduler, options: ScheduleOptions): Promise<void> {
  const { loaded, version, log } = options;
  const expression = loaded().config.backups.schedule;
  if (expression === null) return;
  await tasks.prepare();
  tasks.register({
    name: TASK,
    plugin: OWNER,
    schedule: toSchedule(tasks.schedule, expression),
    mayOverlap: false,
    // A machine that is off at night makes it in the morning.
    catchesUp: true,
    async handler() {
      const { makeScheduledBackup } = await import("./making.ts");
      await makeScheduledBackup({ loaded: loaded(), version, log });
    },
    log,
    hold() {},
  });
}

/** Reads `backups.schedule` as a start does. @throws AppError config_invalid for an expression that can't be read */
export async function assertSchedule({ config }: LoadedConfig): Promise<void> {
  const expression = config.backups.schedule;
  if (expression === null) return;
  const { loadSchedules } = await import("../jobs/scheduler/schedule.ts");
  toSchedule(await loadSchedules(), expression);
}

function toSchedule(makeSchedule: ScheduleMaker, expression: string) {
  try {
    return makeSchedule(expression, null);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw fail("config_invalid", `Cannot schedule backups by "backups.schedule": ${reason}`);
  }
}

/** How the scheduled backups of all instances go. */
export interface BackupState {
  /** When the last one was begun; null before the first. */
  readonly begunAt: Date | null;
  /** Why it failed; null where it was made, or is being made. */
  readonly failure: string | null;
}

/** Reads how they go from what all instances share. */
export async function readBackupState({
  db,
  tables,
}: {
  readonly db: Database;
  readonly tables: CoreTables;
}): Promise<BackupState> {
  const { scheduledTasks: tasks } = tables;
  const [row] = await db.select().from(tasks).where(eq(tasks.name, TASK));
  if (row === undefined || row.last_started_at === null) return { begunAt: null, failure: null };
  const hasFailed = (row.last_failed_at ?? 0) >= row.last_started_at;
  const isCutOff = row.run_id !== null && (row.lease_at ?? 0) < Date.now();
  const failure = hasFailed ? (row.last_error ?? "it isn't known why") : null;
  return {
    begunAt: new Date(row.last_started_at),
    failure: isCutOff ? "its process ended meanwhile" : failure,
  };
}
