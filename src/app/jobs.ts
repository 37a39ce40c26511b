import { Jobs } from "../jobs/jobs.ts";
import type { AppContext } from "./context.ts";
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
