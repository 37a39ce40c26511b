import type { Database } from "../../db/contract/database.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { Page, PageQuery } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { type JobRequest, toNewJob } from "../definition/requests.ts";
import { type JobFilter, listJobs, listSteps } from "../drivers/database/changes.ts";
import { insertJob } from "../drivers/database/insert.ts";
import { type Job, type JobDetails, toAnswer, toDetails } from "./answers.ts";
import { cancel, readJob, retry } from "./verbs.ts";

export { MAX_DELAY } from "../definition/requests.ts";
export { findDefinition } from "./verbs.ts";
export { JOB_STATES, type JobState } from "../../db/schema/core-tables.ts";
export type JobAnswer = typeof Job.static;

/** What can be done about jobs where they are kept: the process that runs them finds what has changed by itself. */
export interface JobDesk {
  list(filter: JobFilter, query: PageQuery): Promise<Page<JobAnswer>>;
  /** @throws AppError not_found */
  read(id: string): Promise<typeof JobDetails.static>;
  /** Returns its id. @throws what `enqueue` does */
  add(request: JobRequest): Promise<string>;
  /** @throws AppError not_found, job_not_ended, conflict */
  retry(id: string): Promise<void>;
  /** @throws AppError not_found */
  cancel(id: string): Promise<"cancelled" | "deleted">;
}

/** Opens the jobs of a database. */
export function createJobDesk(
  driver: Driver,
  store: { readonly db: Database; readonly tables: CoreTables },
): JobDesk {
  const ground = { ...store, driver, leaseMs: 0 }; // it claims none
  return {
    async list(filter, query) {
      const found = await listJobs(store, filter, query);
      return { ...found, items: found.items.map(toAnswer) };
    },
    read: async (id) => toDetails(await readJob(store, id), await listSteps(store, id)),
    add: (request) => insertJob(ground, store.db, toNewJob(request)),
    retry: (id) => retry(store, id),
    cancel: (id) => cancel(ground, id),
  };
}
