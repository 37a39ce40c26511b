import { Jobs } from "../jobs/jobs.ts";
import type { AppContext } from "./context.ts";
import type { PluginOptions } from "./plugins.ts";
import type { Shutdown } from "./shutdown.ts";
import type { AppStores } from "./stores.ts";

/** Builds the background jobs; nothing is loaded before there is one. */
export function createAppJobs(
  { live, hooks, loggers, inspects, isCommand }: AppContext,
  { database, store }: AppStores,
): Jobs {
  return new Jobs({
    driver: database,
    store,
    hooks,
    log: loggers.app,
    concurrency: () => live.loaded.config.jobs.concurrency,
    isWorker: !inspects && !isCommand,
  });
}

/** Waits for the jobs that run for as long as plugins may take to drain, and gives back what is left. */
export function closeJobs(
  jobs: Jobs,
  shutdown: Shutdown,
  { drainTimeoutMs = 30_000 }: Pick<PluginOptions, "drainTimeoutMs">,
): Promise<void> {
  return jobs.close(AbortSignal.any([shutdown.requests, AbortSignal.timeout(drainTimeoutMs)]));
}
