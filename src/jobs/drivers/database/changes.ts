import { and, desc, eq, inArray, type SQL } from "drizzle-orm";
import { type Page, type PageQuery, paginate } from "../../../db/paging/paginate.ts";
import type { JobState } from "../../../db/schema/core-tables.ts";
import { startsWith } from "../../../db/schema/portable-sql.ts";
import type { Tx } from "../../contract/backend.ts";
import {
  type DoneStep,
  hasEnded,
  type JobFilter,
  type JobRow,
  type WaitingJob,
} from "../../contract/records.ts";
import { deleteParts, tellNext, toEnded } from "./finish.ts";
import { type Ground, inPieces } from "./ground.ts";

/** Returns a page of jobs, the newest first. */
export function listJobs(
  ground: Pick<Ground, "db" | "tables">,
  filter: JobFilter,
  query: PageQuery,
): Promise<Page<JobRow>> {
  const { jobs } = ground.tables;
  const rows = ground.db.select().from(jobs).where(matching(ground, filter)).orderBy(desc(jobs.id));
  // Ids are in the order in which jobs were enqueued, and have an index.
  return paginate(rows, query, { sort: { id: jobs.id, created_at: jobs.id } });
}

/** Those that are asked for. */
export function matching(
  { tables: { jobs } }: Pick<Ground, "tables">,
  { state, plugin, name }: JobFilter,
): SQL | undefined {
  return and(
    state === undefined ? undefined : eq(jobs.state, state),
    plugin === undefined ? undefined : startsWith(jobs.name, `${plugin}:`),
    name === undefined ? undefined : eq(jobs.name, name),
  );
}

const WAITING: readonly JobState[] = ["waiting", "delayed", "blocked"];
const FEW = 50; // payloads at a time: each may have 1 MB

/** Gives the jobs of a plugin that wait, in pieces, and at most so many. */
export async function* listWaiting(
  { db, tables: { jobs } }: Pick<Ground, "db" | "tables">,
  plugin: string,
  limit: number,
): AsyncGenerator<WaitingJob[]> {
  const waits = inArray(jobs.state, WAITING);
  const found = await db
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(startsWith(jobs.name, `${plugin}:`), waits))
    .orderBy(jobs.name, jobs.state, jobs.rank, jobs.id) // as its index has them
    .limit(limit);
  for (const piece of inPieces(found, FEW)) {
    const ids = piece.map(({ id }) => id);
    yield await db
      .select({ id: jobs.id, name: jobs.name, payload: jobs.payload })
      .from(jobs)
      .where(and(inArray(jobs.id, ids), waits))
      .orderBy(jobs.name, jobs.id);
  }
}

/** Finds a job; null where there is none. */
export async function findJob(
  { db, tables: { jobs } }: Pick<Ground, "db" | "tables">,
  id: string,
): Promise<JobRow | null> {
  const [row] = await db.select().from(jobs).where(eq(jobs.id, id));
  return row ?? null;
}

/** Returns the steps of a job that are done, in the order in which they were. */
export function listSteps(
  { db, tables: { jobSteps } }: Pick<Ground, "db" | "tables">,
  id: string,
): Promise<DoneStep[]> {
  return db
    .select({ name: jobSteps.name, at: jobSteps.created_at })
    .from(jobSteps)
    .where(eq(jobSteps.job_id, id))
    .orderBy(jobSteps.created_at, jobSteps.name);
}

/**
 * Has a job run again that has failed, was cancelled or set aside, or that waits for its time; what its steps have done
 * stays done. Returns the state that it was in, null where there is none.
 */
export function retryJob(
  { db, tables: { jobs } }: Pick<Ground, "db" | "tables">,
  id: string,
): Promise<JobState | null> {
  return db.transaction(async (tx) => {
    const [job] = await tx.select().from(jobs).where(eq(jobs.id, id)).for("update");
    if (job === undefined) return null;
    const isFailed = hasEnded(job.state) && job.state !== "completed";
    if (isFailed || job.state === "delayed") {
      await tx
        .update(jobs)
        .set({
          state: "waiting",
          due_at: null,
          ...(isFailed && {
            attempt: 0,
            lost: 0,
            ended_at: null,
            progress: null,
            progress_text: null,
            batch_id: null,
          }),
        })
        .where(eq(jobs.id, id));
    }
    return job.state;
  });
}

/** Cancels a job that hasn't ended, with those of its chain behind it, or deletes one that has; null where there is none. */
export function cancelJob(ground: Ground, id: string): Promise<"cancelled" | "deleted" | null> {
  const { jobs } = ground.tables;
  return ground.db.transaction(async (tx) => {
    const [job] = await tx.select().from(jobs).where(eq(jobs.id, id)).for("update");
    if (job === undefined) return null;
    if (job.state !== "completed" && job.next_id !== null) await cancelChain(ground, tx, job.next_id);
    if (hasEnded(job.state)) {
      await deleteParts(ground, tx, [id]);
      await tx.delete(jobs).where(eq(jobs.id, id));
      return "deleted";
    }
    await tx.update(jobs).set(toEnded(ground, "cancelled")).where(eq(jobs.id, id));
    await tellNext(ground, tx, [{ as: "cancelled", batchId: job.batch_id, nextId: null }]);
    return "cancelled";
  });
}

/** Cancels what waits for a job that will never be completed. */
export async function cancelChain(ground: Ground, tx: Tx, first: string): Promise<void> {
  const { jobs } = ground.tables;
  for (let next: string | null = first; next !== null;) {
    /* oxlint-disable no-await-in-loop -- one behind the other */
    const blocked = and(eq(jobs.id, next), eq(jobs.state, "blocked"));
    const [job] = await tx.select({ next: jobs.next_id }).from(jobs).where(blocked).for("update");
    if (job === undefined) return;
    await tx.update(jobs).set(toEnded(ground, "cancelled")).where(eq(jobs.id, next));
    next = job.next;
    /* oxlint-enable no-await-in-loop */
  }
}
