import { and, asc, desc, gt, inArray, isNull, lt, ne, or, type SQL } from "drizzle-orm";
import type { Page, PageQuery } from "../../../db/paging/paginate.ts";
import type { JobState } from "../../../db/schema/core-tables.ts";
import { fail } from "../../../errors/codes.ts";
import { hasEnded, type JobFilter, type JobRow, type WaitingJob } from "../../contract/records.ts";
import { matching } from "../database/changes.ts";
import { toEnded } from "../database/finish.ts";
import type { BullClient } from "./connection.ts";
import { forgetSteps, isNotOurs } from "./finish.ts";
import { type Ground, isId, REDIS } from "./ground.ts";
import { findInRedis, findJobs, isInRedis, readRows, readWaiting } from "./places.ts";

/** How far down pages may be asked for; of each state of a name as many are looked at. */
const MAX_DEPTH = 10_000;
const SORTS: ReadonlySet<string> = new Set(["id", "-id", "created_at", "-created_at", ""]);

/** Returns a page of jobs, the newest first: of those in Redis, and of those that the database has. */
export async function listAll(ground: Ground, filter: JobFilter, query: PageQuery): Promise<Page<JobRow>> {
  const { database, rows } = ground;
  if (filter.state !== undefined && !isInRedis(filter.state)) return rows.list(filter, query);
  const { page = 1, per_page = 20, total: isCounted = true, sort = "", after } = query;
  assertReadable(query);
  const isUp = sort === "id" || sort === "created_at";
  const start = after === undefined ? (page - 1) * per_page : 0;
  const { jobs } = database.tables;
  const where = and(matching(database, filter), notHanded(ground));
  const [own, ownCount] = await Promise.all([
    database.db
      .select({ id: jobs.id })
      .from(jobs)
      .where(and(where, after === undefined ? undefined : (isUp ? gt : lt)(jobs.id, after)))
      .orderBy((isUp ? asc : desc)(jobs.id))
      .limit(start + per_page),
    isCounted ? database.db.$count(jobs, where) : 0,
  ]);
  // Afterwards: one that is handed over meanwhile is seen twice, and not missed.
  const { found, count } = await findJobs(ground, filter, MAX_DEPTH);
  const inRedis = new Map(found.map((one) => [one.id, one]));
  const isFurther = (id: string): boolean => after === undefined || (isUp ? id > after : id < after);
  const ids = [...new Set([...own.map(({ id }) => id), ...[...inRedis.keys()].filter(isFurther)])];
  ids.sort((a, b) => (a < b === isUp ? -1 : 1));
  const chosen = ids.slice(start, start + per_page);
  const items = await readAll(ground, chosen, inRedis);
  const last = chosen.at(-1);
  const isFull = chosen.length === per_page && ids.length > start + per_page;
  return {
    items,
    page: after === undefined ? page : 1,
    per_page,
    total: isCounted ? count + ownCount : null,
    ...(isFull && last !== undefined && { next: last }),
  };
}

/** The jobs of a plugin that wait, in whichever way, at most so many. */
export async function* listAllWaiting(
  ground: Ground,
  plugin: string,
  limit: number,
): AsyncGenerator<readonly WaitingJob[]> {
  let left = limit;
  for await (const piece of ground.rows.listWaiting(plugin, limit)) {
    left -= piece.length;
    yield piece;
  }
  if (left > 0) yield* readWaiting(ground, plugin, left);
}

type Lists = Awaited<ReturnType<typeof findJobs>>["found"][number];

async function readAll(
  ground: Ground,
  ids: readonly string[],
  inRedis: ReadonlyMap<string, Lists>,
): Promise<JobRow[]> {
  const { db, tables } = ground.database;
  const own = ids.filter((id) => !inRedis.has(id));
  const [rows, read] = await Promise.all([
    own.length === 0 ? [] : db.select().from(tables.jobs).where(inArray(tables.jobs.id, own)),
    readRows(
      ground,
      ids.flatMap((id) => inRedis.get(id) ?? []),
    ),
  ]);
  const byId = new Map([...rows, ...read].flatMap((row) => (row === null ? [] : [[row.id, row] as const])));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** @throws AppError validation_error */
function assertReadable({ page = 1, per_page = 20, sort = "", after }: PageQuery): void {
  if (!SORTS.has(sort))
    throw refuse("sort", "invalid", 'Expected "id" or "created_at", or either with a "-" before it');
  if (after !== undefined && !isId(after))
    throw refuse("after", "invalid", 'Expected the "next" of a page of this list');
  if (after !== undefined && page !== 1) throw refuse("page", "invalid", 'Expected either "page" or "after"');
  if (page !== 1 && page * per_page > MAX_DEPTH) {
    throw refuse("page", "too_deep", `Expected one of the first ${MAX_DEPTH} rows; go on with "after"`);
  }
}

function refuse(name: string, code: string, message: string) {
  return fail("validation_error", `Cannot list jobs: ${message}`, {
    errors: [{ path: `/query/${name}`, code, message }],
  });
}

/** Those that Redis doesn't have. */
function notHanded({ database: { tables } }: Ground): SQL | undefined {
  const { jobs } = tables;
  return or(ne(jobs.state, "running"), isNull(jobs.worker), ne(jobs.worker, REDIS));
}

function isHanded({ state, worker }: JobRow): boolean {
  return state === "running" && worker === REDIS;
}

/** Finds a job; null where there is none. */
export async function findAnywhere(ground: Ground, id: string): Promise<JobRow | null> {
  const row = await ground.rows.find(id);
  if (row === null) return findInRedis(ground, id);
  if (!isHanded(row)) return row;
  const job = await findInRedis(ground, id, row.name);
  if (job === null) return { ...row, state: "waiting", worker: null };
  const { state, due_at, attempt, lost, progress, progress_text, started_at } = job;
  return { ...row, worker: null, state, due_at, attempt, lost, progress, progress_text, started_at };
}

/** See `retry` of JobChanges. */
export async function retryAnywhere(ground: Ground, id: string): Promise<JobState | null> {
  const row = await ground.rows.find(id);
  if (row !== null && !isHanded(row)) return ground.rows.retry(id);
  const job = await findInRedis(ground, id, row?.name);
  if (job?.state !== "delayed") return job?.state ?? row?.state ?? null;
  await ground.connection.run((client) => client.queue(job.name).promote(id)).catch(passNotOurs);
  return "delayed";
}

/** See `cancel` of JobChanges. */
export async function cancelAnywhere(ground: Ground, id: string): Promise<"cancelled" | "deleted" | null> {
  const { database, rows, connection } = ground;
  const row = await rows.find(id);
  if (row !== null) {
    const done = await rows.cancel(id);
    if (isHanded(row)) await connection.run((client) => remove(client, row.name, id));
    return done;
  }
  const job = await findInRedis(ground, id);
  if (job === null) return null;
  await connection.run((client) => remove(client, job.name, id));
  if (hasEnded(job.state)) {
    await forgetSteps(ground, [id]);
    return "deleted";
  }
  await database.db
    .insert(database.tables.jobs)
    .values({ ...job, ...toEnded(database, "cancelled") })
    .onConflictDoNothing();
  return "cancelled";
}

/** Takes a job out of Redis, also one that runs: its process learns of it as it renews the lease. */
async function remove(client: BullClient, name: string, id: string): Promise<void> {
  const queue = client.queue(name);
  await client.send("DEL", `${queue.toKey(id)}:lock`);
  await queue.remove(id, false);
}

function passNotOurs(error: unknown): void {
  if (!isNotOurs(error)) throw error;
}
