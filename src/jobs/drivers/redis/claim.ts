import type { Wanted } from "../../contract/records.ts";
import { type BullClient, isReply } from "./connection.ts";
import type { Ground } from "./ground.ts";
import { toPriority } from "./jobs.ts";
import { DELAY_FACTOR, toScored } from "./scores.ts";

/** How many jobs of each name are to be taken. */
export type Plan = Map<string, number>;

/**
 * Decides how many jobs of each name to take: those of the highest priority, then the oldest.
 *
 * @param finishing how many jobs of each name end now: BullMQ gives the next of the name with the note of that
 */
export async function planClaims(
  ground: Ground,
  {
    wanted,
    places,
    finishing,
  }: {
    readonly wanted: readonly Wanted[];
    readonly places: number;
    readonly finishing: ReadonlyMap<string, number>;
  },
): Promise<Plan> {
  const [first, ...others] = wanted;
  if (first === undefined || places <= 0) return new Map();
  await tellLimits(ground, wanted);
  // While one kind of jobs is there in plenty, nobody needs to look.
  const isPlenty = (finishing.get(first.name) ?? 0) >= places || ground.plenty === first.name;
  if (others.length === 0 && isPlenty) return new Map([[first.name, places]]);
  const found = await ground.connection.run((client) =>
    Promise.all(wanted.map(({ name }) => peek(client, name, places).catch(readNothing(ground, name)))),
  );
  const candidates = found.flat().toSorted((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1));
  const plan: Plan = new Map();
  for (const { name } of candidates.slice(0, places)) plan.set(name, (plan.get(name) ?? 0) + 1);
  return plan;
}

interface Candidate {
  readonly name: string;
  readonly priority: number;
  readonly id: string;
}

const PRIORITY_FACTOR = 2 ** 32;

/** Looks at the first that wait; of delayed ones that are due, it isn't known which they are. */
async function peek(client: BullClient, name: string, places: number): Promise<Candidate[]> {
  const { prioritized, wait, delayed } = client.queue(name).keys as Record<string, string>;
  const due = `(${(Date.now() + 1) * DELAY_FACTOR}`;
  const [first, again, late] = await Promise.all([
    client.send("ZRANGE", prioritized as string, "0", String(places - 1), "WITHSCORES"),
    client.send("LLEN", wait as string),
    client.send("ZCOUNT", delayed as string, "-inf", due),
  ]);
  const candidates: Candidate[] = toScored(first).map(({ member, score }) => ({
    name,
    priority: Math.floor(score / PRIORITY_FACTOR),
    id: member,
  }));
  const add = (count: number, priority: number): void => {
    for (let left = Math.min(count, places); left > 0; left -= 1) candidates.push({ name, priority, id: "" });
  };
  add(Number(again), 0); // they have been at it already: their process is gone
  add(Number(late), toPriority(0));
  return candidates;
}

/** Of a queue that can't be read, for it holds what BullMQ didn't put there, others mustn't suffer. */
export function readNothing(ground: Ground, name: string): (error: unknown) => [] {
  return (error) => {
    if (!isReply(error)) throw error;
    tellUnreadable(ground, name, error);
    return [];
  };
}

export function tellUnreadable({ log, unreadable }: Ground, name: string, error: unknown): void {
  if (unreadable.has(name)) return;
  unreadable.add(name);
  log.error({ err: error, job: name }, "jobs of this name can't be read in Redis");
}

/** BullMQ counts what all instances have started, by what the queue says of it. */
async function tellLimits({ connection, limits }: Ground, wanted: readonly Wanted[]): Promise<void> {
  const changed = wanted.filter((one) => limits.get(one.name) !== toText(one));
  if (changed.length === 0) return;
  await connection.run((client) =>
    Promise.all(
      changed.flatMap(({ name, concurrency, rate }) => {
        const queue = client.queue(name);
        return [
          concurrency === null
            ? queue.removeQueueMetaFields(["concurrency"])
            : queue.setQueueMeta({ concurrency }),
          rate === null
            ? queue.removeQueueMetaFields(["max", "duration"])
            : queue.setQueueMeta({ max: rate.max, duration: rate.windowMs }),
        ];
      }),
    ),
  );
  for (const one of changed) limits.set(one.name, toText(one));
}

function toText({ concurrency, rate }: Wanted): string {
  return `${concurrency} ${rate?.max} ${rate?.windowMs}`;
}
