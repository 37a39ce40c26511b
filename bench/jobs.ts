/**
 * Background jobs with a handler that does nothing, on SQLite with `synchronous=FULL`, and on a server where one is given:
 * how many are enqueued, one or 100 at a time, and finished a second, how long one takes from `enqueue` to its handler, and
 * what killing the process that works on them five times comes to. What the disk can do stands beside it: commits a second
 * of bun:sqlite alone. With `--redis`, jobs in Redis are compared with BullMQ alone instead: rounds of both in turns, of
 * which the medians count.
 *
 *   bun bench/jobs.ts [--url postgresql://…] [--jobs 20000] [--killed 10000]
 *   bun bench/jobs.ts --redis redis://… [--jobs 20000] [--rounds 5]
 */
import { Database } from "bun:sqlite";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import pino from "pino";
import { parseDatabaseUrl } from "../src/db/contract/database-url.ts";
import type { Driver } from "../src/db/contract/driver.ts";
import { openDatabase } from "../src/db/open.ts";
import { JobHost } from "../test/jobs/job-host.ts";
import { killWhileRunning } from "../test/jobs/kills.ts";
import type { Load } from "./load.ts";
import { runBullmq } from "./peers/bullmq.ts";
import { compareLoads, median, printTable, toMs, toRate, toUs } from "./report.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    jobs: { type: "string", default: "20000" },
    killed: { type: "string", default: "10000" },
    redis: { type: "string" },
    rounds: { type: "string", default: "5" },
  },
});
const [jobs, killed, rounds] = [values.jobs, values.killed, values.rounds].map(Number) as [
  number,
  number,
  number,
];

const CLIENTS = 64;
const CONCURRENCIES = [4, 50];
const SIZES = [1, 100];
const COMMITS = 500;
const SINGLES = 300;

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
try {
  if (values.redis === undefined) await compareDatabases();
  else await compareWithBullmq(values.redis);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function compareDatabases(): Promise<void> {
  const rows: string[][] = [];
  for (const concurrency of CONCURRENCIES) {
    for (const size of SIZES) {
      rows.push(await measure(sqliteUrl(`${concurrency}-${size}`), concurrency, size));
      if (values.url !== undefined) rows.push(await measure(values.url, concurrency, size));
    }
  }
  console.log(`bun:sqlite alone: ${toRate(commitAlone(join(folder, "alone.db")))} commits/s\n`);
  printTable(
    [
      "database",
      "jobs.concurrency",
      "enqueued at a time",
      "enqueued and finished/s",
      "processor time a job",
      "enqueue → start, median",
      "99 %",
    ],
    rows,
  );
  console.log();
  const kills: string[][] = [await kill(sqliteUrl("killed"))];
  if (values.url !== undefined) kills.push(await kill(values.url));
  printTable(
    [`${killed} jobs, killed 5 times`, "done", "done twice", "of these, not running at a kill"],
    kills,
  );
}

async function compareWithBullmq(url: string): Promise<void> {
  const rows: string[][] = [];
  for (const concurrency of CONCURRENCIES) {
    for (const size of SIZES) {
      const [ours, alone]: [Load[], Load[]] = [[], []];
      const latencies: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        alone.push(await runBullmq({ url, concurrency, size, count: jobs, clients: CLIENTS }));
        ours.push(await measureRedis(url, { concurrency, size, latencies }));
      }
      rows.push([
        String(concurrency),
        String(size),
        toRate(median(alone.map(({ rate }) => rate))),
        ...compareLoads(ours, alone),
        toMs(median(latencies)),
      ]);
    }
  }
  printTable(
    [
      "jobs.concurrency",
      "enqueued at a time",
      "BullMQ alone/s",
      "xcore/s",
      "of BullMQ",
      "processor time a job",
      "of BullMQ",
      "enqueue → start, median",
    ],
    rows,
  );
}

async function measureRedis(
  url: string,
  { concurrency, size, latencies }: { concurrency: number; size: number; latencies: number[] },
): Promise<Load> {
  const name = crypto.randomUUID();
  const driver = await open(sqliteUrl(name));
  const host = await JobHost.create(driver, { concurrency, redis: { url, appName: name } });
  await finishMany(host, jobs / 100, size);
  const [begun, processor] = [performance.now(), process.cpuUsage()];
  await finishMany(host, jobs, size);
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(processor);
  latencies.push(...(await startSingles(host)));
  await host[Symbol.asyncDispose]();
  await driver.close();
  return { rate: jobs / seconds, processorUs: (user + system) / jobs };
}

async function measure(url: string, concurrency: number, size: number): Promise<string[]> {
  const driver = await open(url);
  const host = await JobHost.create(driver, { concurrency });
  await host.store.db.delete(host.store.tables.jobs);
  await finishMany(host, jobs / 10, size);
  const [begun, processor] = [performance.now(), process.cpuUsage()];
  await finishMany(host, jobs, size);
  const ms = performance.now() - begun;
  const { user, system } = process.cpuUsage(processor);
  const latencies = await startSingles(host);
  await host[Symbol.asyncDispose]();
  await driver.close();
  return [
    driver.dialect,
    String(concurrency),
    String(size),
    toRate((jobs / ms) * 1000),
    toUs((user + system) / jobs),
    toMs(median(latencies)),
    toMs(latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? 0),
  ];
}

/** Enqueues jobs by 64 clients at once, each some after others, and waits until all have run. */
async function finishMany(host: JobHost, count: number, size: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  const job = host.define("many", () => void ((left -= 1) === 0 && resolve()));
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < count) {
      const some = Array.from({ length: Math.min(size, count - next) }, () => (next += 1));
      if (size === 1) await host.enqueue(job, { n: some[0] });
      else await host.enqueueMany(some.map((n) => ({ definition: job, payload: { n } })));
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  await promise;
}

/** Enqueues one job at a time, and measures when its handler begins. */
async function startSingles(host: JobHost): Promise<number[]> {
  const latencies: number[] = [];
  let started = Promise.withResolvers<number>();
  const job = host.define("single", () => started.resolve(performance.now()));
  for (let left = SINGLES; left > 0; left -= 1) {
    started = Promise.withResolvers();
    const begun = performance.now();
    await host.enqueue(job, { n: left });
    latencies.push((await started.promise) - begun);
    await Bun.sleep(1);
  }
  return latencies;
}

/** Returns how many commits a second the disk bears. */
function commitAlone(file: string): number {
  using db = new Database(file);
  for (const setting of ["journal_mode = wal", "synchronous = full"]) db.run(`pragma ${setting}`);
  db.run("create table rows (n)");
  const insert = db.prepare("insert into rows values (1)");
  const begun = performance.now();
  for (let left = COMMITS; left > 0; left -= 1) insert.run();
  return (COMMITS / (performance.now() - begun)) * 1000;
}

async function kill(url: string): Promise<string[]> {
  const driver = await open(url);
  const host = await JobHost.create(driver);
  await host.store.db.delete(host.store.tables.jobs);
  await host[Symbol.asyncDispose]();
  const { done, twice, unexplained } = await killWhileRunning({
    driver,
    url,
    count: killed,
    kills: 5,
    concurrency: 4,
    leaseMs: 1000,
  });
  await driver.close();
  return [driver.dialect, String(done), String(twice), String(unexplained)];
}

function open(url: string): Promise<Driver> {
  const log = pino({ level: "silent" });
  return openDatabase({ url: parseDatabaseUrl(url, folder), poolSize: 10, echo: false, log });
}

function sqliteUrl(name: string): string {
  return `sqlite:${join(folder, `${name}.db`)}`;
}
