import { and, eq, inArray, type SQL, sql } from "drizzle-orm";
import type { JobState } from "../../../db/schema/core-tables.ts";
import type { Tx } from "../../contract/backend.ts";
import type { Outcome } from "../../contract/records.ts";
import { fromNow, type Ground, heldBy, inPieces } from "./ground.ts";

/** How long what has failed for good is kept. */
const KEEP_FAILED_MS = 30 * 86_400_000;

/** What is taken from a job that no longer runs. */
export const LET_GO = { worker: null, held_lane: null } as const;

/** Notes how tries of a process have ended. What it has lost meanwhile stays as others have it. */
export async function finish(
  ground: Ground,
  tx: Tx,
  worker: string,
  outcomes: readonly Outcome[],
): Promise<void> {
  const { jobs } = ground.tables;
  const update = async (ids: readonly string[], values: object): Promise<void> => {
    for (const piece of inPieces(ids)) {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      await tx
        .update(jobs)
        .set({ ...LET_GO, ...values })
        .where(heldBy(ground, worker, piece));
    }
  };
  const linked = await findHeld(ground, tx, worker, outcomes);
  const completed = Map.groupBy(
    outcomes.filter((one) => one.as === "completed"),
    ({ keepMs }) => keepMs,
  );
  for (const [keepMs, some] of completed) {
    // oxlint-disable-next-line no-await-in-loop -- one connection
    if (keepMs === 0) await remove(ground, tx, worker, idsOf(some));
    // oxlint-disable-next-line no-await-in-loop
    else await update(idsOf(some), toEnded(ground, "completed", keepMs));
  }
  const returned = Map.groupBy(
    outcomes.filter((one) => one.as === "returned"),
    ({ inMs }) => inMs,
  );
  for (const [inMs, some] of returned) {
    const until =
      inMs === 0 ? { state: "waiting", due_at: null } : { state: "delayed", due_at: fromNow(ground, inMs) };
    // oxlint-disable-next-line no-await-in-loop -- one connection
    await update(idsOf(some), { ...until, attempt: sql`${jobs.attempt} - 1` });
  }
  for (const one of outcomes) {
    if (one.as === "completed" || one.as === "returned") continue;
    const { error } = one;
    const values =
      one.as === "retried"
        ? { state: "delayed", due_at: fromNow(ground, one.inMs), error }
        : { ...toEnded(ground, one.as, KEEP_FAILED_MS), error };
    // oxlint-disable-next-line no-await-in-loop -- one connection
    await update([one.job.id], values);
  }
  const ended = outcomes.flatMap(({ job, as }) =>
    as === "retried" || as === "returned" || !linked.has(job.id) ? [] : [{ ...job, as }],
  );
  await tellNext(ground, tx, ended);
}

/** Deletes jobs that nobody wants to look at. */
async function remove(ground: Ground, tx: Tx, worker: string, ids: readonly string[]): Promise<void> {
  const { jobs } = ground.tables;
  for (const piece of inPieces(ids)) {
    /* oxlint-disable no-await-in-loop -- one connection */
    const { rowsAffected } = await tx.delete(jobs).where(heldBy(ground, worker, piece));
    // What belongs to one that was lost is left to whoever has it.
    if (rowsAffected < piece.length) continue;
    await deleteParts(ground, tx, piece);
    /* oxlint-enable no-await-in-loop */
  }
}

/** Deletes what belongs to jobs that are deleted themselves. */
export async function deleteParts({ tables }: Ground, tx: Tx, ids: readonly string[]): Promise<void> {
  const { jobSteps, jobBatches } = tables;
  await tx.delete(jobSteps).where(inArray(jobSteps.job_id, ids));
  await tx.delete(jobBatches).where(inArray(jobBatches.callback_id, ids));
}

/** Those that others wait for, as far as they still belong to the process: of the others, somebody else will tell. */
async function findHeld(
  ground: Ground,
  tx: Tx,
  worker: string,
  outcomes: readonly Outcome[],
): Promise<ReadonlySet<string>> {
  const { jobs } = ground.tables;
  const linked = outcomes.filter(({ job }) => job.batchId !== null || job.nextId !== null);
  const held = new Set<string>();
  for (const piece of inPieces(idsOf(linked))) {
    const mine = heldBy(ground, worker, piece);
    // oxlint-disable-next-line no-await-in-loop -- one connection
    const rows = await tx.select({ id: jobs.id }).from(jobs).where(mine).orderBy(jobs.id).for("update");
    for (const { id } of rows) held.add(id);
  }
  return held;
}

/** What a job becomes that ends. */
export function toEnded(ground: Ground, state: JobState, keepMs = KEEP_FAILED_MS) {
  return {
    ...LET_GO,
    state,
    unique_hash: null,
    due_at: fromNow(ground, keepMs),
    ended_at: new Date(),
  } as const;
}

/** A job that has ended, as far as others wait for it. */
export interface EndedJob {
  readonly as: JobState;
  readonly batchId: string | null;
  readonly nextId: string | null;
}

/** Lets go on what waited for these jobs. */
export async function tellNext(ground: Ground, tx: Tx, ended: readonly EndedJob[]): Promise<void> {
  const { jobs, jobBatches } = ground.tables;
  const unblock = async (which: SQL): Promise<void> => {
    await tx
      .update(jobs)
      .set({ state: "waiting" })
      .where(and(which, eq(jobs.state, "blocked")));
  };
  const next = ended.flatMap(({ as, nextId }) => (as === "completed" && nextId !== null ? [nextId] : []));
  for (const piece of inPieces(next)) {
    // oxlint-disable-next-line no-await-in-loop -- one connection
    await unblock(inArray(jobs.id, piece));
  }
  const batches = Map.groupBy(
    ended.filter(({ batchId }) => batchId !== null),
    ({ batchId }) => batchId as string,
  );
  for (const [id, some] of [...batches].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const failed = some.filter(({ as }) => as !== "completed").length;
    /* oxlint-disable no-await-in-loop -- one connection */
    await tx
      .update(jobBatches)
      .set({
        pending: sql`${jobBatches.pending} - ${some.length}`,
        failed: sql`${jobBatches.failed} + ${failed}`,
      })
      .where(eq(jobBatches.id, id));
    const [batch] = await tx.select().from(jobBatches).where(eq(jobBatches.id, id));
    if (batch !== undefined && batch.pending <= 0) await unblock(eq(jobs.id, batch.callback_id));
    /* oxlint-enable no-await-in-loop */
  }
}

function idsOf(outcomes: readonly Outcome[]): string[] {
  return outcomes.map(({ job }) => job.id);
}
