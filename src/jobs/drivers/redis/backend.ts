import type { JobBackend, JobChanges, JobSteps } from "../../contract/backend.ts";
import { createDatabaseBackend } from "../database/backend.ts";
import type { Ground as DatabaseGround } from "../database/ground.ts";
import { cancelAnywhere, findAnywhere, listAll, listAllWaiting, retryAnywhere } from "./changes.ts";
import { JobConnection, type JobConnectionOptions } from "./connection.ts";
import { Exchanger, isAbsence } from "./exchange.ts";
import type { Ground } from "./ground.ts";
import { addJobs } from "./insert.ts";
import { Lookout } from "./lookout.ts";
import { toPrefix } from "./names.ts";
import { Outbox } from "./outbox.ts";
import { commitStep } from "./steps.ts";
import { regainAll, renew, saveProgress } from "./upkeep.ts";

export interface RedisBackendOptions extends Pick<JobConnectionOptions, "url" | "log" | "presence"> {
  /** Of the application: its instances have the same, others that share the Redis another. */
  readonly appName: string;
  readonly database: DatabaseGround;
}

/** How long Redis may be silent. Beside the cache's, these commands carry payloads, and nobody's page waits for them. */
const TIMEOUT_MS = 1000;

/**
 * Keeps jobs in Redis, in queues of BullMQ, one for each name. The database keeps what has to be committed together with
 * other writes, and hands it over: what a transaction enqueues, and jobs on which others depend; beside that the steps, and
 * those that have failed for good. While Redis is away, jobs are kept there as well.
 */
export function createRedisBackend(options: RedisBackendOptions): JobBackend {
  const ground = openGround(options);
  const { connection, database, rows, leaseMs } = ground;
  const { driver } = database;
  const watch = new Set<{ readonly lookout: Lookout; readonly wake: () => void }>();
  const outbox = new Outbox(ground, () => watch.forEach(({ wake }) => wake()));
  const exchanger = new Exchanger(ground, {
    expect: (inMs) => watch.forEach(({ lookout }) => lookout.expectInRedis(inMs)),
    handOver: () => outbox.kick(),
  });
  return {
    ...createSteps(ground),
    ...createChanges(ground, outbox),
    keepVersions: (worker, versions) => rows.keepVersions(worker, versions),
    readVersions: (worker) => rows.readVersions(worker),
    leaseMs,
    async add(jobs, adding = {}) {
      const { ids, areRows } = await addJobs(ground, jobs, adding);
      if (areRows) driver.afterCommit(() => outbox.kick(), adding.tx);
      return ids;
    },
    afterCommit: (work, tx) => driver.afterCommit(work, tx),
    exchange: (exchange) => exchanger.exchange(exchange),
    readBatch: (id) => rows.readBatch(id),
    renew: (worker, ids) => renew(ground, worker, ids),
    saveProgress: (told) => saveProgress(ground, told),
    createLookout(looking) {
      const lookout = new Lookout(ground, looking, outbox);
      watch.add({ lookout, wake: looking.wake });
      connection.onConnect((client) => regainAll(ground, client, looking.worker));
      return lookout;
    },
    isAbsence,
    async close() {
      await outbox.close();
      connection.close();
    },
  };
}

function openGround({ url, log, presence, appName, database }: RedisBackendOptions): Ground {
  const { leaseMs } = database;
  const prefix = toPrefix(appName);
  const shared = { url, log, presence, name: "jobs", timeoutMs: TIMEOUT_MS };
  const connection = new JobConnection({ ...shared, prefix, leaseMs });
  const limits = new Map<string, string>();
  // It may have lost its data.
  connection.onConnect(() => limits.clear());
  const rows = createDatabaseBackend(database);
  return {
    connection,
    database,
    rows,
    log,
    leaseMs,
    held: new Map(),
    unreadable: new Set(),
    limits,
    plenty: null,
  };
}

function createSteps(ground: Ground): JobSteps {
  const { rows, held } = ground;
  return {
    readSteps(id) {
      const job = held.get(id);
      if (job !== undefined) job.hasSteps = true;
      return rows.readSteps(id);
    },
    keepStep: (job, step) => rows.keepStep(job, step),
    commitStep: (db, job, step) => commitStep(ground, db, job, step),
  };
}

function createChanges(ground: Ground, outbox: Outbox): JobChanges {
  return {
    list: (filter, query) => listAll(ground, filter, query),
    listWaiting: (plugin, limit) => listAllWaiting(ground, plugin, limit),
    find: (id) => findAnywhere(ground, id),
    listSteps: (id) => ground.rows.listSteps(id),
    async retry(id) {
      const was = await retryAnywhere(ground, id);
      outbox.kick();
      return was;
    },
    async cancel(id) {
      const done = await cancelAnywhere(ground, id);
      outbox.kick();
      return done;
    },
  };
}
