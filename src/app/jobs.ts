import { toRedisJobs } from "../jobs/backends.ts";
import { Jobs } from "../jobs/jobs.ts";
import { Scheduler } from "../jobs/scheduler/scheduler.ts";
import { BackgroundImports } from "../resources/import-jobs/imports.ts";
import type { AppContext } from "./context.ts";
import type { PluginOptions } from "./plugins.ts";
import type { Shutdown } from "./lifetime/shutdown.ts";
import { type AppStores, cleanFiles } from "./stores.ts";

/** What plugins have done outside of requests. */
export interface Work {
  readonly jobs: Jobs;
  /** Runs tasks when they are due. */
  readonly tasks: Scheduler;
  /** Imports files into tables of plugins. */
  readonly background: BackgroundImports;
}

/**
 * Builds the background jobs and the scheduler; nothing is loaded before there is a job, or a task. Where jobs are kept is
 * what the start says.
 *
 * @throws AppError config_invalid for jobs in Redis without one
 */
export function createWork(context: AppContext, { database, store, storage }: AppStores): Work {
  const { live, hooks, loggers, feed, presence, inspects, isCommand } = context;
  const ground = { driver: database, store, log: loggers.app };
  const isServer = !inspects && !isCommand;
  const jobs = new Jobs({
    ...ground,
    redis: inspects ? null : toRedisJobs(live.loaded.config),
    presence,
    hooks,
    concurrency: () => live.loaded.config.jobs.concurrency,
    isWorker: isServer,
    isShared: database.dialect !== "sqlite" || feed !== null,
  });
  const tasks = new Scheduler({ ...ground, isTimed: isServer });
  cleanFiles(context, storage, tasks);
  return {
    jobs,
    tasks,
    background: new BackgroundImports({ ...ground, jobs, isWorker: isServer }),
  };
}

/** Waits for the jobs and tasks that run for as long as plugins may take to drain, and gives back what is left. */
export async function closeWork(
  { jobs, tasks }: Pick<Work, "jobs" | "tasks">,
  shutdown: Shutdown,
  { drainTimeoutMs = 30_000 }: Pick<PluginOptions, "drainTimeoutMs">,
): Promise<void> {
  const signal = AbortSignal.any([shutdown.requests, AbortSignal.timeout(drainTimeoutMs)]);
  await Promise.all([jobs.close(signal), tasks.close(signal)]);
}
