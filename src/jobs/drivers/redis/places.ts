import type { JobState } from "../../../db/schema/core-tables.ts";
import type { JobFilter, JobRow, WaitingJob } from "../../contract/records.ts";
import { readNothing } from "./claim.ts";
import type { BullClient } from "./connection.ts";
import { type Ground, isId } from "./ground.ts";
import { type Place, toRow } from "./jobs.ts";
import { toJobName } from "./names.ts";
import { DELAY_FACTOR, toScored } from "./scores.ts";

type State = Place["state"];

/** The states of BullMQ that ours are, by the key that their jobs are under, and of which kind that is. */
const STATES: Readonly<Record<State, readonly (readonly [key: string, kind: "list" | "sorted"])[]>> = {
  waiting: [
    ["prioritized", "sorted"],
    ["wait", "list"],
  ],
  delayed: [["delayed", "sorted"]],
  running: [["active", "list"]],
  completed: [["completed", "sorted"]],
};
const BULL_STATES: Readonly<Record<string, State>> = {
  waiting: "waiting",
  prioritized: "waiting",
  delayed: "delayed",
  active: "running",
  completed: "completed",
};

/** Whether jobs in this state are in Redis. */
export function isInRedis(state: JobState): state is State {
  return state in STATES;
}

/** A job that is in Redis. */
export interface Found extends Place {
  readonly id: string;
}

/** The names of all jobs that Redis has ever had. */
export async function readNames(client: BullClient): Promise<string[]> {
  const queues = await client.send("SMEMBERS", client.namesKey);
  return [...(queues as Iterable<unknown>)].flatMap((queue) => toJobName(String(queue)) ?? []);
}

/**
 * Finds the jobs that are asked for, of each state at most `most`, the newest as far as that is known; and counts all.
 */
export async function findJobs(
  ground: Ground,
  { state, plugin, name: only }: JobFilter,
  most: number,
): Promise<{ readonly found: Found[]; readonly count: number }> {
  const states = (Object.keys(STATES) as State[]).filter((one) => state === undefined || one === state);
  const names = (await ground.connection.run(readNames)).filter(
    (name) =>
      (only === undefined || name === only) && (plugin === undefined || name.startsWith(`${plugin}:`)),
  );
  const lists = await ground.connection.run((client) =>
    Promise.all(
      names.flatMap((name) =>
        states.flatMap((one) =>
          STATES[one].map(([key, kind]) =>
            readIds(client, { name, state: one, key, kind, most }).catch(readNothing(ground, name)),
          ),
        ),
      ),
    ),
  );
  const read = lists.flatMap((list) => ("ids" in list ? [list] : []));
  return {
    found: read.flatMap(({ ids }) => ids),
    count: read.reduce((sum, { count }) => sum + count, 0),
  };
}

async function readIds(
  client: BullClient,
  {
    name,
    state,
    key,
    kind,
    most,
  }: { name: string; state: State; key: string; kind: "list" | "sorted"; most: number },
): Promise<{ ids: Found[]; count: number }> {
  const at = client.queue(name).toKey(key);
  const last = String(most - 1);
  if (kind === "list") {
    const [ids, count] = await Promise.all([client.send("LRANGE", at, "0", last), client.send("LLEN", at)]);
    const found = (ids as unknown[]).filter(isId).map((id) => ({ id, name, state, dueAt: null }));
    return { ids: found, count: Number(count) };
  }
  const [scored, count] = await Promise.all([
    client.send("ZREVRANGE", at, "0", last, "WITHSCORES"),
    client.send("ZCARD", at),
  ]);
  const found = toScored(scored)
    .filter(({ member }) => isId(member))
    .map(({ member, score }) => ({ id: member, name, state, dueAt: toDueAt(state, score) }));
  return { ids: found, count: Number(count) };
}

function toDueAt(state: State, score: number): number | null {
  return state === "delayed" ? Math.floor(score / DELAY_FACTOR) : null;
}

/** Reads jobs as the database would have them; null for those that are gone. */
export function readRows(ground: Ground, found: readonly Found[]): Promise<(JobRow | null)[]> {
  return ground.connection.run((client) => Promise.all(found.map((one) => readRow(client, one))));
}

async function readRow(client: BullClient, { id, ...place }: Found): Promise<JobRow | null> {
  const job = await client.queue(place.name).getJobData(id);
  if (job === undefined) return null;
  // It may have ended since its place was read.
  return toRow({ ...job, id }, job.finishedOn === undefined ? place : { ...place, state: "completed" });
}

/** How many payloads are read at once: each may have 1 MB. */
const FEW = 32;

/** The jobs of a plugin in Redis that wait, in whichever way, at most so many. */
export async function* readWaiting(
  ground: Ground,
  plugin: string,
  limit: number,
): AsyncGenerator<WaitingJob[]> {
  const lists = await Promise.all(
    (["waiting", "delayed"] as const).map((state) => findJobs(ground, { plugin, state }, limit)),
  );
  const found = lists.flatMap(({ found: some }) => some).slice(0, limit);
  for (let at = 0; at < found.length; at += FEW) {
    // oxlint-disable-next-line no-await-in-loop -- one piece after another
    const rows = await readRows(ground, found.slice(at, at + FEW));
    yield rows.filter((row) => row !== null);
  }
}

/** Finds which names these jobs have in Redis. */
export async function findNames(client: BullClient, ids: readonly string[]): Promise<Map<string, string>> {
  const names = await readNames(client);
  const found = new Map<string, string>();
  await Promise.all(
    names.flatMap((name) =>
      ids.map(async (id) => {
        if (Number(await client.send("EXISTS", client.queue(name).toKey(id))) > 0) found.set(id, name);
      }),
    ),
  );
  return found;
}

/** Finds a job; null where there is none. @param name where it is known */
export async function findInRedis({ connection }: Ground, id: string, name?: string): Promise<JobRow | null> {
  return connection.run(async (client) => {
    const of = name ?? (await findNames(client, [id])).get(id);
    if (of === undefined) return null;
    const queue = client.queue(of);
    const state = BULL_STATES[await queue.getState(id)];
    if (state === undefined) return null;
    const score = state === "delayed" ? await client.send("ZSCORE", queue.toKey("delayed"), id) : null;
    return readRow(client, {
      id,
      name: of,
      state,
      dueAt: score === null ? null : toDueAt(state, Number(score)),
    });
  });
}
