import { RedisReplyError, RedisUnavailableError } from "../../../cache/redis/errors.ts";
import type { AddOptions } from "../../contract/backend.ts";
import type { NewJob } from "../../contract/records.ts";
import type { BullClient } from "./connection.ts";
import type { Ground } from "./ground.ts";
import { type HandedJob, toBullJob } from "./jobs.ts";
import { toQueueName } from "./names.ts";

/** BullMQ tells in a stream what happens to jobs; nobody here reads it. */
const MAX_EVENTS = "100";
/** What a pipeline carries: a connection that sends much is no connection that is silent. */
const BULK_TIMEOUT_MS = 10_000;

/**
 * Adds jobs, all or none: to Redis, and as rows of the database those which belong to a transaction, on which others
 * depend, and those that Redis can't take now. Returns their ids, and whether there are rows to be handed over.
 */
export async function addJobs(
  ground: Ground,
  jobs: readonly NewJob[],
  options: AddOptions,
): Promise<{ readonly ids: string[]; readonly areRows: boolean }> {
  const { batch = null, tx } = options;
  const isPart = tx !== undefined || isInTransaction(ground);
  if (!isPart && batch === null && !jobs.some(isKept) && (await handAll(ground, jobs))) {
    return { ids: jobs.map(({ id }) => id), areRows: false };
  }
  return { ids: await ground.rows.add(jobs, options), areRows: true };
}

/** Whether the row of a job stays in the database until it has ended. */
export function isKept(
  job: Pick<NewJob, "uniqueHash" | "lane" | "batchId" | "awaitsId" | "nextId">,
): boolean {
  const { uniqueHash, lane, batchId, awaitsId, nextId } = job;
  return [uniqueHash, lane, batchId, awaitsId, nextId].some((link) => link !== null);
}

/** Hands jobs to Redis, all or none; one that is there already stays as it is. */
export async function hand(client: BullClient, jobs: readonly HandedJob[]): Promise<void> {
  const [first, ...others] = jobs;
  if (first === undefined) return;
  const unknown = new Set(jobs.flatMap(({ name }) => (client.known.has(name) ? [] : [name])));
  if (unknown.size > 0) await Promise.all([...unknown].map((name) => introduce(client, name)));
  if (others.length === 0) {
    await client.queue(first.name).addJob(toBullJob(first), first.id);
    return;
  }
  const multi = client.multi();
  await Promise.all(
    jobs.map((job) => client.queue(job.name).addJobToTransaction(multi, toBullJob(job), job.id)),
  );
  const added = (await multi.exec()) ?? [];
  const failure = added.find(([error]) => error !== null)?.[0];
  if (failure !== undefined && failure !== null) throw failure;
  if (added.length < jobs.length) throw new Error("the connection was lost");
}

/** Has it known that there are jobs of a name. */
async function introduce(client: BullClient, name: string): Promise<void> {
  await Promise.all([
    client.send("SADD", client.namesKey, toQueueName(name)),
    client.send("HSET", client.queue(name).toKey("meta"), "opts.maxLenEvents", MAX_EVENTS),
  ]);
  client.known.add(name);
}

/** Returns whether Redis has them. */
async function handAll({ connection }: Ground, jobs: readonly NewJob[]): Promise<boolean> {
  const now = Date.now();
  const handed = jobs.map(({ id, name, payload, version, rank, until }): HandedJob => ({
    id,
    name,
    payload,
    version,
    rank,
    delayMs: until === null || until === "blocked" ? 0 : "at" in until ? until.at - now : until.inMs,
    attempt: 0,
    isKept: false,
    awaitsId: null,
    createdAt: now,
  }));
  try {
    const timeout = jobs.length > 1 ? { timeoutMs: BULK_TIMEOUT_MS } : {};
    await connection.run((client) => hand(client, handed), timeout);
    return true;
  } catch (error) {
    // It may have taken them: those that it has when they are handed over again stay as they are.
    if (error instanceof RedisUnavailableError || error instanceof RedisReplyError) return false;
    throw error;
  }
}

/** Whether what the caller writes is part of a transaction, though it names none. */
function isInTransaction({ database: { driver } }: Ground): boolean {
  let isCommitted = false;
  driver.afterCommit(() => {
    isCommitted = true;
  });
  return !isCommitted;
}
