import { join } from "node:path";
import { JobHost } from "./job-host.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import type { RedisJobs } from "../../src/jobs/backends.ts";

export interface KillsOptions {
  readonly driver: Driver;
  readonly url: string;
  /** @default null: jobs are in the database alone */
  readonly redis?: RedisJobs | null;
  /** Jobs. */
  readonly count: number;
  readonly kills: number;
  /** How many run at once. */
  readonly concurrency: number;
  readonly leaseMs: number;
}

/** How many jobs a process may have begun whose end it hasn't noted yet. */
export const MOST_AT_A_KILL = 16;

export interface KillsReport {
  /** How many were done. */
  readonly done: number;
  /** How many were done more than once. */
  readonly twice: number;
  /** Of these, those that hadn't been running when a process was killed. */
  readonly unexplained: number;
}

/** Has a process work on jobs, and kills it again and again in the middle of them; then lets one finish. */
export async function killWhileRunning(options: KillsOptions): Promise<KillsReport> {
  const { driver, redis = null, count, kills } = options;
  await using host = await JobHost.create(driver, { redis });
  const job = host.prepare("work", () => {});
  const requests = Array.from({ length: count }, (_, payload) => ({ definition: job, payload }));
  await host.enqueueMany(requests);
  const runs = new Map<number, number>();
  const completed = new Set<number>();
  const interrupted = new Set<number>();
  for (let killed = 0; killed <= kills; killed += 1) {
    const isLast = killed === kills;
    // Not at once: the first of a process is what one before it was killed with.
    const until = isLast ? count : Math.ceil((count * (killed + 1)) / (kills + 2));
    // oxlint-disable-next-line no-await-in-loop -- one process after another
    const lines = await runUntil(options, completed, async () => {
      // A process may be killed before it tells what it has done.
      if (completed.size < until - (isLast ? kills * MOST_AT_A_KILL : 0)) return false;
      return !isLast || (await countLeft(host)) === 0;
    });
    const running = new Set<number>();
    for (const [event, number] of lines) {
      if (event === "started") running.add(number);
      else if (event === "ended") runs.set(number, (runs.get(number) ?? 0) + 1);
      else running.delete(number);
    }
    for (const number of running) interrupted.add(number);
  }
  const twice = [...runs].filter(([, times]) => times > 1).map(([number]) => number);
  return {
    done: runs.size,
    twice: twice.length,
    unexplained: twice.filter((number) => !interrupted.has(number)).length,
  };
}

async function countLeft({ jobs }: JobHost): Promise<number> {
  const backend = await jobs.backend();
  const pages = await Promise.all(
    [{}, { state: "completed" as const }].map((filter) => backend.list(filter, {})),
  );
  const [all = 0, completed = 0] = pages.map(({ total }) => total ?? 0);
  return all - completed;
}

/** Runs a process until what it tells is enough, and kills it; returns all that it has told. */
async function runUntil(
  { url, redis, concurrency, leaseMs }: KillsOptions,
  completed: Set<number>,
  isEnough: () => Promise<boolean>,
): Promise<[event: string, number: number][]> {
  const file = join(import.meta.dir, "killed-worker.ts");
  const args = [url, String(concurrency), String(leaseMs), redis?.url ?? ""];
  const child = Bun.spawn([process.execPath, file, ...args], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines: [string, number][] = [];
  let rest = "";
  for await (const piece of child.stdout) {
    const texts = (rest + new TextDecoder().decode(piece)).split("\n");
    rest = texts.pop() ?? "";
    for (const text of texts) {
      const [event = "", number] = text.split(" ");
      lines.push([event, Number(number)]);
      if (event === "completed") completed.add(Number(number));
    }
    // What it has told until then is still read.
    if (await isEnough()) child.kill("SIGKILL");
  }
  await child.exited;
  return lines;
}
