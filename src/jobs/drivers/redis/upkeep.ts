import { and, asc, gt, inArray, isNull, lt, eq } from "drizzle-orm";
import type { ToldProgress } from "../../contract/records.ts";
import { inPieces } from "../database/ground.ts";
import type { BullClient } from "./connection.ts";
import { isAbsence } from "./exchange.ts";
import { isNotOurs } from "./finish.ts";
import type { Ground } from "./ground.ts";
import { findNames } from "./places.ts";

/**
 * KEYS: lock, active, stalled. ARGV: id, token, lease. A lock that is over, of a job that nobody else has been given, is
 * taken again: Redis may have been away for longer than a lease, with the job running on.
 */
const REGAIN = `
if redis.call('EXISTS', KEYS[1]) == 1 or not redis.call('LPOS', KEYS[2], ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SREM', KEYS[3], ARGV[1])
return 1`;

/** Renews the leases of jobs; returns those that don't belong to the process any more. */
export async function renew(ground: Ground, worker: string, ids: readonly string[]): Promise<string[]> {
  const { connection, held, leaseMs } = ground;
  for (const id of held.keys()) if (!ids.includes(id)) held.delete(id);
  const byName = Map.groupBy(ids, (id) => held.get(id)?.name);
  const lost: string[] = [];
  for (const [name, some] of byName) {
    if (name === undefined) continue;
    /* oxlint-disable no-await-in-loop -- a few names, and nobody waits */
    const tokens = some.map(() => worker);
    const gone = await connection.run((client) => client.queue(name).extendLocks([...some], tokens, leaseMs));
    for (const id of gone) {
      const isBack = await connection.run((client) => regain(client, { name, id, worker, leaseMs }));
      if (!isBack) lost.push(id);
    }
    /* oxlint-enable no-await-in-loop */
  }
  return lost;
}

async function regain(
  client: BullClient,
  { name, id, worker, leaseMs }: { name: string; id: string; worker: string; leaseMs: number },
): Promise<boolean> {
  const queue = client.queue(name);
  const { active = "", stalled = "" } = queue.keys;
  const keys = [`${queue.toKey(id)}:lock`, active, stalled];
  return (await client.send("EVAL", REGAIN, "3", ...keys, id, worker, String(leaseMs))) === 1;
}

/** Takes the jobs again that run on in this process, once Redis is back. */
export async function regainAll(
  { held, leaseMs }: Ground,
  client: BullClient,
  worker: string,
): Promise<void> {
  await Promise.all([...held].map(([id, { name }]) => regain(client, { name, id, worker, leaseMs })));
}

/** Notes how far a job is. */
export async function saveProgress(
  { connection, held }: Ground,
  { id, fraction, text }: ToldProgress,
): Promise<void> {
  const name = held.get(id)?.name;
  if (name === undefined) return;
  try {
    await connection.run((client) => client.queue(name).updateProgress(id, { fraction, text }));
  } catch (error) {
    if (!isNotOurs(error) && !isAbsence(error)) throw error;
  }
}

const LEAST_AGE_MS = 86_400_000;
const PIECE = 500;

/** Deletes the steps of jobs that Redis has deleted by itself. */
export async function forgetOldSteps({ connection, database }: Ground): Promise<void> {
  const { db, tables } = database;
  const { jobs, jobSteps } = tables;
  const old = new Date(Date.now() - LEAST_AGE_MS);
  for (let after = ""; ;) {
    /* oxlint-disable no-await-in-loop -- one piece after another */
    const rows = await db
      .selectDistinct({ id: jobSteps.job_id })
      .from(jobSteps)
      .leftJoin(jobs, eq(jobs.id, jobSteps.job_id))
      .where(
        and(
          isNull(jobs.id),
          lt(jobSteps.created_at, old),
          after === "" ? undefined : gt(jobSteps.job_id, after),
        ),
      )
      .orderBy(asc(jobSteps.job_id))
      .limit(PIECE);
    const ids = rows.map(({ id }) => id);
    const places = await connection.run((client) => findNames(client, ids));
    const gone = ids.filter((id) => !places.has(id));
    for (const piece of inPieces(gone)) await db.delete(jobSteps).where(inArray(jobSteps.job_id, piece));
    if (ids.length < PIECE) return;
    after = ids.at(-1) ?? "";
    /* oxlint-enable no-await-in-loop */
  }
}
