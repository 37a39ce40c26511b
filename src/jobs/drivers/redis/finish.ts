import { inArray } from "drizzle-orm";
import type { MinimalJob } from "bullmq";
import type { Outcome } from "../../contract/records.ts";
import { deleteParts, finish } from "../database/finish.ts";
import { inPieces } from "../database/ground.ts";
import type { BullClient } from "./connection.ts";
import { type Ground, REDIS } from "./ground.ts";

/** Codes of BullMQ for a job that is gone, isn't locked by this process, or doesn't run. */
const NOT_OURS: ReadonlySet<unknown> = new Set([-1, -2, -3, -6]);

/** Whether a job doesn't belong to this process any more: others have it, or it was cancelled. */
export function isNotOurs(error: unknown): boolean {
  return NOT_OURS.has((error as { code?: unknown } | null)?.code);
}

/**
 * Notes in the database what it has to know of the end of tries: of jobs whose rows it keeps, and of those that have failed
 * for good. It comes before Redis forgets them: a crash in between runs them once more.
 */
export async function noteInDatabase(
  ground: Ground,
  worker: string,
  outcomes: readonly Outcome[],
): Promise<void> {
  const { database, held } = ground;
  const told = outcomes.filter(({ job, as }) => {
    if (as === "returned") return false;
    return held.get(job.id)?.isKept === true || as === "dead" || as === "incompatible";
  });
  if (told.length === 0) return;
  const mine = await keepOurs(ground, worker, told);
  if (mine.length === 0) return;
  const { jobs } = database.tables;
  await database.db.transaction(
    async (tx) => {
      const failed = mine.filter(({ job }) => held.get(job.id)?.isKept !== true);
      for (const { job } of failed) {
        const { rank = 0, createdAt = Date.now() } = held.get(job.id) ?? {};
        // oxlint-disable-next-line no-await-in-loop -- one connection
        await tx
          .insert(jobs)
          .values({
            id: job.id,
            name: job.name,
            state: "running",
            worker: REDIS,
            rank,
            payload: job.payload,
            version: job.version,
            attempt: job.attempt,
            created_at: new Date(createdAt),
            started_at: new Date(),
          })
          .onConflictDoNothing();
      }
      const ids = mine.map(({ job }) => job.id);
      const rows = new Map<string, { batchId: string | null; nextId: string | null }>();
      for (const piece of inPieces(ids)) {
        // oxlint-disable-next-line no-await-in-loop -- one connection
        const found = await tx
          .select({ id: jobs.id, batchId: jobs.batch_id, nextId: jobs.next_id })
          .from(jobs)
          .where(inArray(jobs.id, piece));
        for (const { id, ...links } of found) rows.set(id, links);
      }
      // What waits for them is read where nobody else writes.
      const linked = mine.map((one) => ({ ...one, job: { ...one.job, ...rows.get(one.job.id) } }));
      await finish(database, tx, REDIS, linked);
    },
    { isolation: "read committed", retries: 5 },
  );
}

/** Those that still belong to this process. */
async function keepOurs(ground: Ground, worker: string, outcomes: readonly Outcome[]): Promise<Outcome[]> {
  const { connection, leaseMs } = ground;
  const lost = await connection.run((client) =>
    Promise.all(
      [...Map.groupBy(outcomes, ({ job }) => job.name)].map(([name, some]) =>
        client.queue(name).extendLocks(
          some.map(({ job }) => job.id),
          some.map(() => worker),
          leaseMs,
        ),
      ),
    ),
  );
  const gone = new Set(lost.flat());
  return outcomes.filter(({ job }) => !gone.has(job.id));
}

/**
 * Notes in Redis how a try has ended; returns the next job of its name where one is wanted, as BullMQ gives it.
 *
 * @throws Error that `isNotOurs` for one that was lost
 */
export async function noteInRedis(
  client: BullClient,
  { held }: Ground,
  { worker, outcome, fetchesNext }: { worker: string; outcome: Outcome; fetchesNext: boolean },
): Promise<readonly unknown[]> {
  const { job, as } = outcome;
  const queue = client.queue(job.name);
  if (as === "returned") {
    if (outcome.inMs === 0) await queue.moveJobFromActiveToWait(job.id, worker);
    else await queue.moveToDelayed(job.id, Date.now(), outcome.inMs, worker, { skipAttempt: true });
    return [];
  }
  const isKept = held.get(job.id)?.isKept === true;
  if (as === "retried" && !isKept) {
    const fieldsToUpdate = { failedReason: outcome.error };
    await queue.moveToDelayed(job.id, Date.now(), outcome.inMs, worker, { fieldsToUpdate });
    return [];
  }
  const keepMs = as === "completed" && !isKept ? outcome.keepMs : 0;
  const keep = keepMs === 0 ? true : { age: Math.ceil(keepMs / 1000) };
  const minimal = { id: job.id, opts: {} } as MinimalJob;
  const { result } = await queue.moveToCompleted(minimal, null, keep, worker, fetchesNext);
  return Array.isArray(result) ? result : [];
}

/** Whether the note of an outcome may bring the next job with it. */
export function mayFetchNext({ held }: Ground, { job, as }: Outcome): boolean {
  if (as === "returned") return false;
  return as !== "retried" || held.get(job.id)?.isKept === true;
}

/** Forgets the steps of jobs that nobody wants to look at. */
export async function forgetSteps({ database }: Ground, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await database.db.transaction((tx) => deleteParts(database, tx, ids));
}
