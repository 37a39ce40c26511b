import { eq, type SQL, sql } from "drizzle-orm";
import type { Database } from "../../../db/contract/database.ts";
import type { Tx } from "../../contract/backend.ts";
import type { NewBatch, NewJob } from "../../contract/records.ts";
import type { JobState } from "../../../db/schema/core-tables.ts";
import { fromNow, type Ground, inPieces } from "./ground.ts";

type Writing = Pick<Database, "insert" | "select" | "execute">;

const ROWS = 200; // of one statement: a row has few parameters, and SQLite takes 32,766 of them
const TRIES = 3;
/** Characters of a payload that shares no statement: a server takes so many MB at once. */
const LARGE = 10_000;

/** Adds one job; returns its id, or that of the one which stands in its way. */
export async function insertJob(ground: Ground, db: Writing, job: NewJob): Promise<string> {
  const { jobs } = ground.tables;
  const row = toRow(ground, job);
  if (job.uniqueHash === null) {
    await db.insert(jobs).values(row);
    return job.id;
  }
  for (let tries = 0; ; tries += 1) {
    // oxlint-disable-next-line no-await-in-loop -- the one in the way may end between both
    const { rowsAffected } = await db
      .insert(jobs)
      .values(row)
      .onConflictDoNothing({ target: jobs.unique_hash });
    if (rowsAffected > 0) return job.id;
    const mine = eq(jobs.unique_hash, job.uniqueHash);
    // oxlint-disable-next-line no-await-in-loop
    const [present] = await db.select({ id: jobs.id }).from(jobs).where(mine);
    if (present !== undefined) return present.id;
    if (tries === TRIES)
      throw new Error(`Cannot enqueue "${job.name}": another job with the same "unique" comes and goes`);
  }
}

/** Returns what adds one job outside of a transaction: on a server together with those that are added at the same time. */
export function createAlone(ground: Ground): (job: NewJob) => Promise<string> {
  const insert = ground.driver.gather?.((jobs: readonly NewJob[]) => insertPlain(ground, ground.db, jobs));
  return async (job) => {
    if (insert === undefined || job.uniqueHash !== null || job.payload.length > LARGE)
      return insertJob(ground, ground.db, job);
    await insert(job);
    return job.id;
  };
}

/** Adds jobs without a `unique` by one statement. */
async function insertPlain(ground: Ground, db: Writing, jobs: readonly NewJob[]): Promise<void> {
  if (ground.driver.dialect === "postgres") await db.execute(toInsert(ground, jobs));
  else await db.insert(ground.tables.jobs).values(jobs.map((job) => toRow(ground, job)));
}

/** As one parameter, whatever their number: making a statement of as many rows takes longer than all else, and planning it. */
function toInsert(ground: Ground, jobs: readonly NewJob[]): SQL {
  const rows = jobs.map(({ until, ...job }) => {
    const due: { readonly at?: number; readonly inMs?: number } =
      until === null || until === "blocked" ? {} : until;
    return {
      ...job,
      ...due,
      state: toState(until),
      ...(due.inMs !== undefined && { inMs: Math.round(due.inMs) }),
    };
  });
  return sql`insert into ${ground.tables.jobs} (id, name, state, rank, due_at, payload, version, lane, batch_id, awaits_id, next_id)
    select id, name, state, rank, coalesce(at, ${fromNow(ground)} + "inMs"), payload, version, lane, "batchId", "awaitsId", "nextId"
    from json_to_recordset(cast(cast(${JSON.stringify(rows)} as text) as json)) as added (id uuid, name text, state text,
      rank integer, at bigint, "inMs" bigint, payload text, version text, lane text, "batchId" uuid, "awaitsId" uuid, "nextId" uuid)`;
}

/** Adds jobs, all or none. */
export async function insertJobs(
  ground: Ground,
  tx: Tx,
  added: readonly NewJob[],
  batch: NewBatch | null = null,
): Promise<string[]> {
  const { jobs, jobBatches } = ground.tables;
  const { plain = [], unique = [] } = Object.groupBy(added, ({ uniqueHash }) =>
    uniqueHash === null ? "plain" : "unique",
  );
  for (const piece of inPieces(plain, ROWS)) {
    // oxlint-disable-next-line no-await-in-loop -- one connection
    await insertPlain(ground, tx, piece);
  }
  const present = new Map<string, string>();
  for (const job of unique) {
    // oxlint-disable-next-line no-await-in-loop -- one connection
    present.set(job.id, await insertJob(ground, tx, job));
  }
  if (batch !== null) {
    const { id, callbackId } = batch;
    // Those which their "unique" finds are waited for by others, or by nobody.
    const pending = batch.total - [...present].filter(([own, found]) => own !== found).length;
    await tx.insert(jobBatches).values({ id, callback_id: callbackId, total: pending, pending });
    if (pending === 0) await tx.update(jobs).set({ state: "waiting" }).where(eq(jobs.id, callbackId));
  }
  return added.map(({ id }) => present.get(id) ?? id);
}

function toRow(ground: Ground, job: NewJob) {
  const { until } = job;
  const due =
    until === null || until === "blocked" ? null : "at" in until ? until.at : fromNow(ground, until.inMs);
  return {
    id: job.id,
    name: job.name,
    state: toState(until),
    rank: job.rank,
    due_at: due,
    payload: job.payload,
    version: job.version,
    unique_hash: job.uniqueHash,
    lane: job.lane,
    batch_id: job.batchId,
    awaits_id: job.awaitsId,
    next_id: job.nextId,
  } as const;
}

function toState(until: NewJob["until"]): JobState {
  if (until === null) return "waiting";
  return until === "blocked" ? "blocked" : "delayed";
}
