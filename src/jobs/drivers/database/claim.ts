import { and, count, eq, inArray, isNull, notInArray, or, type SQL, sql } from "drizzle-orm";
import type { Tx } from "../../contract/backend.ts";
import type { Claim, ClaimedJob, Wanted } from "../../contract/records.ts";
import { anyOf, fromNow, type Ground } from "./ground.ts";

/** Jobs of one name of which some may start, by what all instances have started. */
interface Open extends Wanted {
  readonly most: number;
}

/** Takes waiting jobs for a process, at most `places`: first those of the highest priority, then the oldest. */
export async function claim(
  ground: Ground,
  tx: Tx,
  {
    worker,
    wanted,
    places,
  }: { readonly worker: string; readonly wanted: readonly Wanted[]; readonly places: number },
): Promise<Claim> {
  const waits = new Map<string, number>();
  const open: Open[] = [];
  for (const one of wanted.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    // oxlint-disable-next-line no-await-in-loop -- one connection, and always in the same order
    const most = isLimited(one) ? await countRoom(ground, tx, one, waits) : places;
    if (most > 0) open.push({ ...one, most: Math.min(most, places) });
  }
  if (open.length === 0) return { jobs: [], waits };
  // What is limited is chosen here. Without round trips, two statements take less time than one that does both.
  if (ground.driver.dialect === "postgres" && !open.some(isLimited)) {
    return { jobs: await takeFirst(ground, tx, { worker, open, places }), waits };
  }
  const found = await select(ground, tx, { open, places });
  const jobs = chooseAllowed(found, open);
  if (jobs.length > 0) await take(ground, tx, { worker, jobs, open });
  return { jobs, waits };
}

/** Reads how the jobs of a batch have ended. */
export async function readBatch(
  { db, tables: { jobBatches } }: Ground,
  id: string,
): Promise<{ readonly total: number; readonly failed: number } | null> {
  const [batch] = await db.select().from(jobBatches).where(eq(jobBatches.id, id));
  return batch === undefined ? null : { total: batch.total, failed: batch.failed };
}

/** Whether what others have claimed says what may be. */
export function isLimited({ concurrency, rate, hasLanes }: Wanted): boolean {
  return concurrency !== null || rate !== null || hasLanes;
}

/** How many more of a name may start, by what all instances have started. They wait for each other here. */
async function countRoom(
  ground: Ground,
  tx: Tx,
  { name, concurrency, rate }: Wanted,
  waits: Map<string, number>,
): Promise<number> {
  const { jobs, jobLimits } = ground.tables;
  await tx.insert(jobLimits).values({ name }).onConflictDoNothing({ target: jobLimits.name });
  const [limit] = await tx
    .select({ windowAt: jobLimits.window_at, started: jobLimits.started, now: fromNow(ground) })
    .from(jobLimits)
    .where(eq(jobLimits.name, name))
    .for("update");
  let room = Number.POSITIVE_INFINITY;
  if (concurrency !== null) {
    const running = and(eq(jobs.name, name), eq(jobs.state, "running"));
    const [found] = await tx.select({ running: count() }).from(jobs).where(running);
    room = concurrency - (found?.running ?? 0);
  }
  if (rate === null || limit === undefined) return room;
  const now = Number(limit.now);
  const leftMs = limit.windowAt + rate.windowMs - now;
  // A window that begins later than now is of a clock that was set back since.
  if (leftMs <= 0 || limit.windowAt > now) {
    await tx.update(jobLimits).set({ window_at: now, started: 0 }).where(eq(jobLimits.name, name));
    return Math.min(room, rate.max);
  }
  if (limit.started >= rate.max) waits.set(name, leftMs);
  return Math.min(room, rate.max - limit.started);
}

/** What a claim chooses from. */
interface Choice {
  readonly open: readonly Open[];
  readonly places: number;
}

async function select(ground: Ground, tx: Tx, choice: Choice): Promise<ClaimedJob[]> {
  const { jobs } = ground.tables;
  const { where, order, most } = toRange(ground, choice);
  const rows = await tx
    .select(toColumns(ground))
    .from(jobs)
    .where(where)
    .orderBy(...order)
    .limit(most)
    .for("update", { skipLocked: true });
  return rows.map((row) => ({ ...row, attempt: row.attempt + 1 }));
}

/** Takes those that are next, in one statement of PostgreSQL's. */
export async function takeFirst(
  ground: Ground,
  tx: Pick<Tx, "update">,
  { worker, ...choice }: Choice & { readonly worker: string },
): Promise<ClaimedJob[]> {
  const { jobs } = ground.tables;
  const { where, order, most } = toRange(ground, choice);
  const first = ground.db
    .select({ id: jobs.id })
    .from(jobs)
    .where(where)
    .orderBy(...order)
    .limit(most)
    .for("update", { skipLocked: true });
  // As an array it is looked for once, and not with each row.
  const isFirst = sql`${jobs.id} = any(array${first})`;
  const rows = await tx
    .update(jobs)
    .set(toTaken(ground, worker))
    .where(isFirst)
    .returning({ ...toColumns(ground), rank: jobs.rank });
  return rows.toSorted((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1));
}

function toColumns({ tables: { jobs } }: Ground) {
  return {
    id: jobs.id,
    name: jobs.name,
    payload: jobs.payload,
    version: jobs.version,
    attempt: jobs.attempt,
    lane: jobs.lane,
    batchId: jobs.batch_id,
    awaitsId: jobs.awaits_id,
    nextId: jobs.next_id,
  };
}

function toRange(ground: Ground, { open, places }: Choice) {
  const { jobs } = ground.tables;
  const [first, ...others] = open;
  // One name is a range of the index; of several, the first of each are looked at.
  if (first !== undefined && others.length === 0) {
    return { where: isWaiting(ground, first), order: toOrder(ground), most: Math.min(first.most, places) };
  }
  const where = and(inArray(jobs.id, toFirstOfEach(ground, open)), eq(jobs.state, "waiting"));
  return { where, order: [sql`${jobs.rank}`, sql`${jobs.id}`], most: places };
}

/** More than are taken, for another process may be taking the same. */
const SPARE = 32;
/** Beyond every priority. */
const MAX_RANK = 32_767;

function toFirstOfEach(ground: Ground, open: readonly Open[]): SQL {
  const { jobs } = ground.tables;
  const parts = open.map((one, index) => {
    const order = sql.join(toOrder(ground), sql`, `);
    const alias = sql.raw(`first_${index}`);
    return sql`select id, ${sql.identifier("rank")} as place from (select ${jobs.id}, ${jobs.rank} from ${jobs} where ${isWaiting(ground, one)} order by ${order} limit ${one.most + SPARE}) as ${alias}`;
  });
  const total = Math.max(...open.map(({ most }) => most)) + SPARE;
  const firsts = sql.join(parts, sql` union all `);
  // MySQL knows no limit in what `in` looks through, but one further inside.
  return sql`(select id from (select id from (${firsts}) as firsts order by place, id limit ${total}) as chosen)`;
}

/**
 * Waiting jobs of a name that may run, as a range of their index. PostgreSQL is told so in words that fit no other: while few
 * wait it notes that, and of two indexes that would find them takes the one that leaves them to be sorted, also once
 * there are many.
 */
function isWaiting(ground: Ground, { name, hasLanes, others }: Wanted): SQL | undefined {
  const { jobs } = ground.tables;
  const range =
    ground.driver.dialect === "postgres"
      ? sql`(${jobs.name}, ${jobs.state}, ${jobs.rank}) between (${name}, 'waiting', ${-MAX_RANK}) and (${name}, 'waiting', ${MAX_RANK})`
      : and(eq(jobs.name, name), eq(jobs.state, "waiting"));
  const mine =
    others.length === 0 ? undefined : or(isNull(jobs.version), notInArray(jobs.version, [...others]));
  return and(range, mine, hasLanes ? isFree(ground) : undefined);
}

/** The order of the index. */
function toOrder({ tables: { jobs } }: Ground): SQL[] {
  return [jobs.name, jobs.state, jobs.rank, jobs.id].map((column) => sql`${column}`);
}

function isFree({ tables: { jobs } }: Ground): SQL {
  return sql`not exists (select 1 from ${jobs} as held where held.held_lane = ${jobs.lane})`;
}

/** As many of each name as may start, and one of a lane. */
function chooseAllowed(found: readonly ClaimedJob[], open: readonly Open[]): ClaimedJob[] {
  const left = new Map(open.map(({ name, most }) => [name, most]));
  const lanes = new Set<string>();
  return found.filter(({ name, lane }) => {
    const more = left.get(name) ?? 0;
    if (more === 0 || (lane !== null && lanes.has(lane))) return false;
    left.set(name, more - 1);
    if (lane !== null) lanes.add(lane);
    return true;
  });
}

/** What a job becomes that is taken. */
function toTaken(ground: Ground, worker: string) {
  const { jobs } = ground.tables;
  return {
    state: "running",
    worker,
    attempt: sql`${jobs.attempt} + 1`,
    due_at: fromNow(ground, ground.leaseMs),
    started_at: new Date(),
    held_lane: sql`${jobs.lane}`,
  } as const;
}

async function take(
  ground: Ground,
  tx: Tx,
  {
    worker,
    jobs: taken,
    open,
  }: { readonly worker: string; readonly jobs: readonly ClaimedJob[]; readonly open: readonly Wanted[] },
): Promise<void> {
  const { jobs, jobLimits } = ground.tables;
  const ids = taken.map(({ id }) => id);
  await tx.update(jobs).set(toTaken(ground, worker)).where(anyOf(ground, ids));
  for (const { name, rate } of open) {
    const started = taken.filter((job) => job.name === name).length;
    if (rate === null || started === 0) continue;
    // oxlint-disable-next-line no-await-in-loop -- one connection
    await tx
      .update(jobLimits)
      .set({ started: sql`${jobLimits.started} + ${started}` })
      .where(eq(jobLimits.name, name));
  }
}
