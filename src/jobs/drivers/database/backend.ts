import type { JobBackend } from "../../contract/backend.ts";
import { cancelJob, findJob, listJobs, listSteps, listWaiting, retryJob } from "./changes.ts";
import { readBatch } from "./claim.ts";
import { exchange } from "./exchange.ts";
import type { Ground } from "./ground.ts";
import { createAlone, insertJob, insertJobs } from "./insert.ts";
import { Lookout } from "./lookout.ts";
import { commitStep, keepStep, readSteps } from "./steps.ts";
import { renew, saveProgress } from "./upkeep.ts";
import { keepVersions, readVersions } from "./versions.ts";

/** Keeps jobs in the database: SQLite, PostgreSQL or MySQL. */
export function createDatabaseBackend(ground: Ground): JobBackend {
  const { db, driver } = ground;
  const insertAlone = createAlone(ground);
  return {
    leaseMs: ground.leaseMs,
    async add(jobs, { batch = null, tx } = {}) {
      const [only, ...others] = jobs;
      if (only === undefined) return [];
      if (others.length === 0 && batch === null) {
        return [await (tx === undefined ? insertAlone(only) : insertJob(ground, tx, only))];
      }
      if (tx !== undefined) return insertJobs(ground, tx, jobs, batch);
      return db.transaction((own) => insertJobs(ground, own, jobs, batch));
    },
    afterCommit: (work, tx) => driver.afterCommit(work, tx),
    exchange: (exchanged) => exchange(ground, exchanged),
    readBatch: (id) => readBatch(ground, id),
    renew: (worker, ids) => renew(ground, worker, ids),
    saveProgress: (told) => saveProgress(ground, told),
    createLookout: (options) => new Lookout({ ...options, ground }),
    readSteps: (id) => readSteps(ground, id),
    keepStep: (job, step) => keepStep(ground, job, step),
    commitStep: (own, job, step) => commitStep(ground, own, job, step),
    keepVersions: (worker, versions) => keepVersions(ground, worker, versions),
    readVersions: (worker) => readVersions(ground, worker),
    list: (filter, query) => listJobs(ground, filter, query),
    listWaiting: (plugin, limit) => listWaiting(ground, plugin, limit),
    find: (id) => findJob(ground, id),
    listSteps: (id) => listSteps(ground, id),
    retry: (id) => retryJob(ground, id),
    cancel: (id) => cancelJob(ground, id),
    isAbsence: () => false,
    close: async () => {},
  };
}
