import type { Page, PageQuery } from "../../db/paging/paginate.ts";
import type { JobBackend } from "../contract/backend.ts";
import type { JobFilter } from "../contract/records.ts";
import { type JobRequest, toNewJob } from "../definition/requests.ts";
import { type Job, type JobDetails, toAnswer, toDetails } from "./answers.ts";
import { compareWaiting, type DeclaredJob, MAX_COMPARED, type WaitingFit } from "./fit.ts";
import { cancel, readJob, retry } from "./verbs.ts";

export { MAX_DELAY } from "../definition/requests.ts";
export { type DeclaredJob, WaitingFit } from "./fit.ts";
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
  /**
   * Tells how the jobs of a plugin that wait fit what a version of it says of its jobs; null when it says nothing. Its
   * code isn't run.
   */
  compareWaiting(plugin: string, declared: readonly DeclaredJob[] | null): Promise<WaitingFit>;
  /** @throws AppError not_found */
  cancel(id: string): Promise<"cancelled" | "deleted">;
}

/** Opens the jobs that a backend keeps. */
export function createJobDesk(backend: JobBackend): JobDesk {
  return {
    async list(filter, query) {
      const found = await backend.list(filter, query);
      return { ...found, items: found.items.map(toAnswer) };
    },
    read: async (id) => toDetails(await readJob(backend, id), await backend.listSteps(id)),
    async add(request) {
      const [id] = await backend.add([toNewJob(request)]);
      return id as string;
    },
    compareWaiting: (plugin, declared) =>
      compareWaiting({ waiting: backend.listWaiting(plugin, MAX_COMPARED + 1), declared }),
    retry: (id) => retry(backend, id),
    cancel: (id) => cancel(backend, id),
  };
}
