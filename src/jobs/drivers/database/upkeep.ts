import { and, eq, gt, inArray, isNotNull, lte, sql } from "drizzle-orm";
import { JOB_STATES } from "../../../db/schema/core-tables.ts";
import { hasEnded, type ToldProgress } from "../../contract/records.ts";
import { cancelChain } from "./changes.ts";
import { deleteParts, LET_GO, tellNext, toEnded } from "./finish.ts";
import { fromNow, type Ground, heldBy, inPieces } from "./ground.ts";

/** How often a process may end while it runs a job before the job is taken for the reason. */
const MOST_LOST = 10;

const PIECE = 1000; // rows of a transaction: others want to write as well
const NEVER = Number.POSITIVE_INFINITY;

/** What is due next, in ms from now; 0 for what is due already. */
export interface Due {
  readonly delayedMs: number;
  readonly leaseMs: number;
  /** The clock of the database, in ms since the epoch. */
  readonly now: number;
}

/** Looks when the next delayed job, and the next lease, is due. */
export async function lookForDue({ db, tables: { jobs }, ...ground }: Ground): Promise<Due> {
  const first = (state: "delayed" | "running") =>
    sql<
      number | null
    >`(select min(${jobs.due_at}) from ${jobs} where ${and(eq(jobs.state, state), isNotNull(jobs.due_at))})`;
  const [row] = await db.execute<{ first_delayed: unknown; first_lease: unknown; present: unknown }>(
    sql`select ${first("delayed")} as first_delayed, ${first("running")} as first_lease, ${fromNow(ground)} as present`,
  );
  const now = Number(row?.present);
  const left = (at: unknown): number =>
    at === null || at === undefined ? NEVER : Math.max(0, Number(at) - now);
  return { delayedMs: left(row?.first_delayed), leaseMs: left(row?.first_lease), now };
}

/** Lets the delayed jobs wait whose time has come. */
export async function promote(ground: Ground): Promise<void> {
  const { db, tables } = ground;
  const { jobs } = tables;
  for (;;) {
    /* oxlint-disable no-await-in-loop -- one piece after another */
    const due = await db
      .select({ id: jobs.id })
      .from(jobs)
      .where(and(eq(jobs.state, "delayed"), lte(jobs.due_at, fromNow(ground))))
      .orderBy(jobs.due_at)
      .limit(PIECE);
    const ids = due.map(({ id }) => id);
    for (const piece of inPieces(ids)) {
      const still = and(inArray(jobs.id, piece), eq(jobs.state, "delayed"));
      await db.update(jobs).set({ state: "waiting", due_at: null }).where(still);
    }
    if (ids.length < PIECE) return;
    /* oxlint-enable no-await-in-loop */
  }
}

/** A job whose process has ended without a word. */
export interface LostJob {
  readonly id: string;
  readonly name: string;
  readonly isDead: boolean;
}

/**
 * Gives jobs back to all whose lease is over, for another try; one that has been lost too often is dead.
 *
 * @param held what the process that asks runs itself
 */
export async function recover(
  ground: Ground,
  { worker, held }: { readonly worker: string; readonly held: readonly string[] },
): Promise<LostJob[]> {
  const { db, tables } = ground;
  const { jobs } = tables;
  return db.transaction(
    async (tx) => {
      const due = await tx
        .select({
          id: jobs.id,
          name: jobs.name,
          lost: jobs.lost,
          worker: jobs.worker,
          batchId: jobs.batch_id,
          nextId: jobs.next_id,
        })
        .from(jobs)
        .where(and(eq(jobs.state, "running"), lte(jobs.due_at, fromNow(ground))))
        .orderBy(jobs.due_at)
        .limit(PIECE)
        .for("update", { skipLocked: true });
      const mine = new Set(held);
      const lost = due.filter((job) => job.worker !== worker || !mine.has(job.id));
      const dead = lost.filter((job) => job.lost + 1 >= MOST_LOST);
      const again = lost.filter((job) => !dead.includes(job));
      /* oxlint-disable no-await-in-loop -- one connection */
      for (const piece of inPieces(again.map(({ id }) => id))) {
        await tx
          .update(jobs)
          .set({
            ...LET_GO,
            state: "waiting",
            due_at: null,
            // It counts as a loss, and not as a try: what ended the process may be anything.
            attempt: sql`${jobs.attempt} - 1`,
            lost: sql`${jobs.lost} + 1`,
          })
          .where(inArray(jobs.id, piece));
      }
      for (const { id } of dead) {
        const error = `The process that ran it has ended ${MOST_LOST} times before it was done`;
        await tx
          .update(jobs)
          .set({ ...toEnded(ground, "dead"), error })
          .where(eq(jobs.id, id));
      }
      /* oxlint-enable no-await-in-loop */
      await tellNext(
        ground,
        tx,
        dead.map((job) => ({ ...job, as: "dead" as const })),
      );
      return lost.map((job) => ({ id: job.id, name: job.name, isDead: dead.includes(job) }));
    },
    { isolation: "read committed", retries: 3 },
  );
}

/** Shortens leases that end later than any can: the clock of the database was set back. */
export async function mendLeases(ground: Ground): Promise<void> {
  const { db, tables, leaseMs } = ground;
  const { jobs } = tables;
  const tooLate = and(eq(jobs.state, "running"), gt(jobs.due_at, fromNow(ground, leaseMs * 2)));
  await db
    .update(jobs)
    .set({ due_at: fromNow(ground, leaseMs) })
    .where(tooLate);
}

/** Puts off the end of the leases of these jobs; returns those that don't belong to the process any more. */
export async function renew(ground: Ground, worker: string, ids: readonly string[]): Promise<string[]> {
  const { db, tables, leaseMs } = ground;
  const { jobs } = tables;
  const lost: string[] = [];
  for (const piece of inPieces(ids)) {
    const mine = heldBy(ground, worker, piece);
    /* oxlint-disable no-await-in-loop -- one piece after another */
    const { rowsAffected } = await db
      .update(jobs)
      .set({ due_at: fromNow(ground, leaseMs) })
      .where(mine);
    if (rowsAffected === piece.length) continue;
    const left = new Set((await db.select({ id: jobs.id }).from(jobs).where(mine)).map(({ id }) => id));
    lost.push(...piece.filter((id) => !left.has(id)));
    /* oxlint-enable no-await-in-loop */
  }
  return lost;
}

/** Notes how far a job is. */
export async function saveProgress(
  ground: Ground,
  { id, worker, fraction, text }: ToldProgress,
): Promise<void> {
  const { db, tables } = ground;
  await db
    .update(tables.jobs)
    .set({ progress: Math.round(fraction * 1000), progress_text: text })
    .where(heldBy(ground, worker, [id]));
}

/** Deletes ended jobs whose time is over. */
export async function purge(ground: Ground): Promise<void> {
  const { db, tables } = ground;
  const { jobs } = tables;
  for (const state of JOB_STATES.filter(hasEnded)) {
    for (let isFull = true; isFull;) {
      /* oxlint-disable no-await-in-loop -- one piece after another */
      const old = await db
        .select({ id: jobs.id, next: jobs.next_id })
        .from(jobs)
        .where(and(eq(jobs.state, state), lte(jobs.due_at, fromNow(ground))))
        .limit(PIECE);
      for (const piece of inPieces(old)) {
        const ids = piece.map(({ id }) => id);
        await db.transaction(async (tx) => {
          for (const { next } of piece) {
            if (next !== null && state !== "completed") await cancelChain(ground, tx, next);
          }
          await deleteParts(ground, tx, ids);
          await tx.delete(jobs).where(and(inArray(jobs.id, ids), eq(jobs.state, state)));
        });
      }
      isFull = old.length === PIECE;
      /* oxlint-enable no-await-in-loop */
    }
  }
}
