import { eq } from "drizzle-orm";
import { expect } from "bun:test";
import { Load } from "./load.ts";
import { type Credentials, type Instance, testBehindNginx, type ThreeInstances } from "./three-instances.ts";

/** Enqueues a job that doesn't end where it is first run; returns its id and that instance. */
async function holdJob(cluster: ThreeInstances): Promise<{ job: string; holder: Instance }> {
  const headers = await cluster.credentials();
  const response = await cluster.fetch("/shop/held", { method: "POST", headers });
  const { job } = (await response.json()) as { job: string };
  let pid: number | undefined;
  await cluster.until(async () => {
    [pid] = (await cluster.readRuns()).get(job) ?? [];
    return pid !== undefined;
  });
  const holder = cluster.instances.find(({ server }) => server.pid === pid);
  if (holder === undefined) throw new Error(`None of the instances is the process ${pid}`);
  return { job, holder };
}

/** Jobs that some process has, as the database says. */
async function readRunning({ store: { db, tables } }: ThreeInstances): Promise<Set<string>> {
  const rows = await db
    .select({ id: tables.jobs.id })
    .from(tables.jobs)
    .where(eq(tables.jobs.state, "running"));
  return new Set(rows.map(({ id }) => id));
}

/** All orders that were acknowledged are there, those with a key once, and their jobs are done. */
async function expectNothingLost(cluster: ThreeInstances, load: Load): Promise<Map<string, number[]>> {
  await cluster.untilDone();
  const runs = await cluster.readRuns();
  expect([...load.jobs].filter((job) => !runs.has(job))).toEqual([]);
  expect(load.jobs.size).toBeGreaterThan(100);
  const made = Map.groupBy(await cluster.readNotes(), (note) => note);
  expect([...load.keyed.keys()].filter((key) => made.get(key)?.length !== 1)).toEqual([]);
  return runs;
}

const repeated = (runs: Map<string, number[]>): string[] =>
  [...runs].filter(([, pids]) => pids.length > 1).map(([job]) => job);

testBehindNginx(
  "an instance that is killed under load fails nothing from then on, and loses no job",
  async (cluster) => {
    const load = await Load.start(cluster);
    const { job, holder } = await holdJob(cluster);
    const pid = await holder.kill();
    const goneAt = performance.now();
    const interrupted = await readRunning(cluster);
    await load.goOn();
    await holder.restart();
    await load.goOn();
    await load.stop();

    // What the process was answering is lost, where nginx may not send it again.
    expect(load.failures.filter(({ startedAt }) => startedAt > goneAt)).toEqual([]);
    const broken = load.failures.map(({ request }) => request);
    expect(broken.filter((request) => !["POST /shop/orders", "POST /auth/login"].includes(request))).toEqual(
      [],
    );

    // Any of them may be the first to see that its lease is over.
    await Promise.race(
      cluster.instances.map(({ server }) => server.waitFor(/has ended without a word: it is run again/)),
    );
    const runs = await expectNothingLost(cluster, load);
    const again = repeated(runs);
    expect(again).toContain(job);
    expect(again.filter((id) => !interrupted.has(id) || runs.get(id)?.[0] !== pid)).toEqual([]);
  },
);

testBehindNginx(
  "instances that are stopped and started one after another fail nothing, and hand their jobs back",
  async (cluster) => {
    const load = await Load.start(cluster);
    const { job, holder } = await holdJob(cluster);
    for (const instance of [holder, ...cluster.instances.filter((one) => one !== holder)]) {
      /* oxlint-disable no-await-in-loop -- one after another */
      expect(await instance.stop()).toBe(0);
      await load.goOn();
      await instance.restart();
      await load.goOn();
      /* oxlint-enable no-await-in-loop */
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    const runs = await expectNothingLost(cluster, load);
    expect(repeated(runs)).toEqual([job]);
    const { db, tables } = cluster.store;
    const [row] = await db.select().from(tables.jobs).where(eq(tables.jobs.id, job));
    expect(row).toMatchObject({ state: "completed", attempt: 1, lost: 0 });
  },
);

testBehindNginx(
  "Redis is frozen, stopped and started under load: nothing fails, and what was revoked stays so",
  async (cluster) => {
    const { redis } = cluster;
    const load = await Load.start(cluster);
    const revoked = [await revoke(cluster)];

    await cluster.say(/Redis is away/, () => redis.freeze());
    revoked.push(await revoke(cluster));
    await cluster.tell("frozen");
    await load.goOn();
    await cluster.say(/Redis is back/, () => redis.thaw());
    await load.goOn();

    await cluster.say(/Redis is away/, () => redis.kill());
    revoked.push(await revoke(cluster));
    await cluster.tell("stopped");
    await load.goOn();
    await cluster.say(/Redis is back/, () => redis.restart());
    revoked.push(await revoke(cluster));
    await cluster.tell("back");
    await load.goOn();

    await load.stop();
    expect(load.failures).toEqual([]);
    const answers = await Promise.all(revoked.map((headers) => cluster.askAll(headers)));
    expect(answers.flat()).toEqual(answers.flat().map(() => 401));
    await cluster.until(async () => {
      const heard = await cluster.readHeard();
      return ["frozen", "stopped", "back"].every((name) => heard.get(`told ${name}`)?.length === 3);
    });
    await expectNothingLost(cluster, load);
  },
);

/** Ends a session that all instances know, by the first of them; resolves once it is refused by all. */
async function revoke(cluster: ThreeInstances): Promise<Credentials> {
  const headers = await cluster.credentials();
  expect(await cluster.askAll(headers)).toEqual([200, 200, 200]);
  const { ok } = await cluster.first.fetch("/auth/logout", { method: "POST", headers });
  expect(ok).toBe(true);
  // At once, but where the load keeps the database from answering for half a second: then who is known is let in for a while.
  await cluster.until(async () => (await cluster.askAll(headers)).every((status) => status === 401));
  return headers;
}
