/**
 * Three instances with one PostgreSQL and one Redis behind nginx, as docs/scaling.md has it, under the load of clients that log in, read
 * and write: how long what a session has open goes on after the session is ended, and what clients see of an instance that is
 * killed or stopped, and of Redis that is frozen or stopped.
 *
 *   bun run pretest && bun bench/cluster.ts [--rounds 100] [--clients 12] [--answers 2000]
 */
import { parseArgs } from "node:util";
import { Load } from "../test/cluster/behind-nginx/load.ts";
import { measureRevocation } from "../test/cluster/behind-nginx/revocation.ts";
import { type Instance, ThreeInstances } from "../test/cluster/behind-nginx/three-instances.ts";
import { median, printTable, toMs, toRate } from "./report.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "100" },
    clients: { type: "string", default: "12" },
    answers: { type: "string", default: "2000" },
  },
});
const [rounds, clients, answers] = [values.rounds, values.clients, values.answers].map(Number) as [
  number,
  number,
  number,
];

await using cluster = await ThreeInstances.start();
const [, victim] = cluster.instances as readonly [Instance, Instance, Instance];

const revocations: string[][] = [["nobody else asks", ...(await revoke())]];
const load = await Load.start(cluster, clients);
revocations.push([`${clients} clients ask all the time`, ...(await revoke())]);
printTable(["a session is ended", "half of them within", "99 %", "all"], revocations);
console.log();

const rows: string[][] = [];
await observe("nothing", async () => 0);
await observe("an instance is killed", () => victim.kill());
await observe("it is started again", () => victim.restart());
const ofKill = load.failures.length;
for (const instance of cluster.instances) {
  await observe("an instance is stopped", () => instance.stop());
  await observe("it is started again", () => instance.restart());
}
const isAway = /Redis is away/;
const isBack = /Redis is back/;
await observe("Redis is frozen", () => cluster.say(isAway, () => cluster.redis.freeze()));
await observe("it goes on", () => cluster.say(isBack, () => cluster.redis.thaw()));
await observe("Redis is stopped", () => cluster.say(isAway, () => cluster.redis.kill()));
await observe("it is started again", () => cluster.say(isBack, () => cluster.redis.restart()));
await load.stop();
printTable(
  ["what happens", "took", "answered/s meanwhile", "failed", "begun when it was over", "slowest answer"],
  rows,
);

await cluster.untilDone();
const runs = await cluster.readRuns();
const lost = [...load.jobs].filter((job) => !runs.has(job)).length;
const twice = [...runs.values()].filter((pids) => pids.length > 1).length;
console.log(
  `\n${toRate(load.jobs.size)} jobs were acknowledged: ${lost} lost, ${twice} run twice; ${load.failures.length - ofKill} requests failed for anything but the kill`,
);

/** Ends sessions one after another; returns how long what they had open went on. */
async function revoke(): Promise<string[]> {
  const took: number[] = [];
  while (took.length < rounds) took.push(await measureRevocation(cluster));
  const sorted = took.toSorted((a, b) => a - b);
  return [median(took), sorted[Math.ceil(rounds * 0.99) - 1] ?? Number.NaN, sorted.at(-1) ?? Number.NaN].map(
    toMs,
  );
}

/** Does something and has the load go on for a while; notes what its clients saw of it. */
async function observe(what: string, act: () => Promise<unknown>): Promise<void> {
  const [begun, answered, failed] = [performance.now(), load.answers, load.failures.length];
  load.longestMs = 0;
  await act();
  const actedAt = performance.now();
  await load.goOn(answers);
  const failures = load.failures.slice(failed);
  rows.push([
    what,
    toMs(actedAt - begun),
    toRate(((load.answers - answered) * 1000) / (performance.now() - begun)),
    String(failures.length),
    String(failures.filter(({ startedAt }) => startedAt > actedAt).length),
    toMs(load.longestMs),
  ]);
}
