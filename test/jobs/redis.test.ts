import { join } from "node:path";
import { and, eq, isNull } from "drizzle-orm";
import { expect, test } from "bun:test";
import { t } from "elysia";
import { createClient } from "redis";
import { toRedisJobs } from "../../src/jobs/backends.ts";
import { REDIS } from "../../src/jobs/drivers/redis/ground.ts";
import { testWithRedis } from "./backends.ts";
import { JobHost } from "./job-host.ts";

const PREFIX = "{test:jobs}:test/work";

/** A client of a test's own. */
async function connect(url: string) {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  return { client, [Symbol.dispose]: () => client.destroy() };
}

/** Gathers what the log says, and waits for it. */
class Log {
  readonly lines: string[] = [];
  #wake = Promise.withResolvers<void>();

  readonly note = ({ level, msg }: Record<string, unknown>): void => {
    if (Number(level) < 30) return;
    this.lines.push(String(msg));
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  };

  async said(text: string): Promise<void> {
    while (!this.count(text)) await this.#wake.promise; // oxlint-disable-line no-await-in-loop -- one line after another
  }

  count(text: string): number {
    return this.lines.filter((line) => line.includes(text)).length;
  }
}

test("jobs in Redis need one", () => {
  const config = { app: { name: "shop" }, jobs: { backend: "redis" }, redis: { url: null } } as const;
  expect(() => toRedisJobs(config)).toThrow(
    expect.objectContaining({ code: "config_invalid", message: expect.stringContaining("redis.url") }),
  );
  expect(toRedisJobs({ ...config, jobs: { backend: "database" } })).toBeNull();
});

testWithRedis(
  "what a killed process has committed is run, and nothing else",
  async ({ driver, url, redis }) => {
    await using host = await JobHost.create(driver, { redis, leaseMs: 300 });
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "killed-enqueuer.ts"), url, redis.url], {
      stdout: "pipe",
      stderr: "inherit",
    });
    for await (const piece of child.stdout) {
      if (Number(new TextDecoder().decode(piece).trim().split("\n").at(-1)) >= 40) child.kill("SIGKILL");
    }
    await child.exited;
    const { db, tables } = host.store;
    const roles = await db.select().from(tables.roles).where(eq(tables.roles.is_builtin, false));
    const committed = new Set(roles.map(({ name }) => Number(name.split("_")[1])));
    expect(committed.size).toBeGreaterThan(20);
    const ran: number[] = [];
    const all = Promise.withResolvers<void>();
    host.define("work", ({ payload }) => {
      ran.push(payload);
      if (ran.length >= committed.size) all.resolve();
    });
    await all.promise;
    expect(ran.toSorted((a, b) => a - b)).toEqual([...committed].toSorted((a, b) => a - b));
    // What it was handing over when it was killed is known to be in Redis at the end of the lease.
    while ((await db.$count(tables.jobs)) > 0) await Bun.sleep(10); // oxlint-disable-line no-await-in-loop
    expect(ran).toHaveLength(committed.size);
  },
);

testWithRedis(
  "a hand-over that was cut off is done again, and comes to the same",
  async ({ driver, redis }) => {
    await using host = await JobHost.create(driver, { redis, leaseMs: 200 });
    const { db, tables } = host.store;
    const gate = Promise.withResolvers<void>();
    const ran: unknown[] = [];
    const job = host.define("work", async ({ payload }) => {
      ran.push(payload);
      await gate.promise;
    });
    // Redis has it, and the row is still there: its process was killed in between.
    const begun = host.enqueue(job, "both");
    const left = { name: "test:work", state: "running", worker: REDIS, due_at: 1, attempt: 1 } as const;
    await db.insert(tables.jobs).values({ ...left, id: await begun, payload: '"both"' });
    // Redis doesn't have it yet.
    const other = Bun.randomUUIDv7();
    const done = host.next("job.completed", ({ id }) => id === other);
    await db.insert(tables.jobs).values({ ...left, id: other, payload: '"row"' });
    gate.resolve();
    await done;
    expect(new Set(ran)).toEqual(new Set(["both", "row"]));
    expect(ran).toHaveLength(2);
  },
);

testWithRedis("jobs wait in the database while Redis is stopped", async ({ driver, redis, server }) => {
  const log = new Log();
  await using host = await JobHost.create(driver, { redis, onLog: log.note });
  const seen: unknown[] = [];
  const gate = Promise.withResolvers<void>();
  const job = host.define("work", async ({ payload, step }) => {
    seen.push(payload);
    if (payload !== "long") return;
    await gate.promise;
    await step("one", async (tx) => {
      await tx.insert(host.store.tables.roles).values({ name: "role_done" });
    });
  });
  const begun = host.next("job.completed");
  await host.enqueue(job, "before");
  await begun;
  const long = await host.enqueue(job, "long");
  while (!seen.includes("long")) await Bun.sleep(5); // oxlint-disable-line no-await-in-loop
  await server.kill();
  await log.said("Redis is away");
  const id = await host.enqueue(job, "while away");
  await host.enqueueMany([{ definition: job, payload: "many" }]);
  expect(await host.row(id)).toMatchObject({ state: "waiting" });
  expect(await host.store.db.$count(host.store.tables.jobs)).toBe(2);
  const ended = ["while away", "many"].map(() => host.next("job.completed", (data) => data.id !== long));
  const longEnded = host.next("job.completed", (data) => data.id === long);
  gate.resolve();
  await server.restart();
  await Promise.all([...ended, longEnded]);
  while (!seen.includes("many") || !seen.includes("while away")) await Bun.sleep(5); // oxlint-disable-line no-await-in-loop
  expect(seen.filter((one) => one === "long")).toHaveLength(1);
  expect([log.count("Redis is away"), log.count("Redis is back")]).toEqual([1, 1]);
  expect(log.lines).toHaveLength(2);
});

testWithRedis("a frozen Redis holds nobody up, and its jobs go on", async ({ driver, redis, server }) => {
  const log = new Log();
  await using host = await JobHost.create(driver, { redis, onLog: log.note });
  const seen: unknown[] = [];
  const job = host.define("work", ({ payload }) => void seen.push(payload));
  const first = host.next("job.completed");
  await host.enqueue(job, 0);
  await first;
  server.freeze();
  const ids = await Promise.all([1, 2, 3].map((payload) => host.enqueue(job, payload)));
  await log.said("Redis is away");
  const done = ids.map((id) => host.next("job.completed", (data) => data.id === id));
  server.thaw();
  await Promise.all(done);
  expect(new Set(seen)).toEqual(new Set([0, 1, 2, 3]));
  expect(log.count("Redis is back")).toBe(1);
});

testWithRedis("what others have put into Redis harms no job", async ({ driver, redis }) => {
  const log = new Log();
  await using host = await JobHost.create(driver, { redis, leaseMs: 300, onLog: log.note });
  using connection = await connect(redis.url);
  const { client } = connection;
  const job = host.prepare("work", () => {}, { payload: t.Object({ n: t.Integer() }), attempts: 1 });
  const poisoned = await host.enqueue(job, { n: 1 });
  await client.hSet(`${PREFIX}:${poisoned}`, { data: "{no JSON", opts: "[", progress: "{", atm: "x" });
  const gone = await host.enqueue(job, { n: 2 });
  await client.del(`${PREFIX}:${gone}`);
  await client.zAdd(`${PREFIX}:prioritized`, { score: 1, value: "7" });
  await client.hSet(`${PREFIX}:7`, { name: "x", data: "{}", opts: "{}" });
  await client.sAdd("{test:jobs}:names", ["nonsense", "a:b:c", "test/other"]);
  await client.set("{test:jobs}:test/other:wait", "no list");
  await client.set("{test:jobs}:test/other:active", "no list");
  const backend = await host.jobs.backend();
  expect((await backend.list({}, {})).items.map(({ id }) => id)).toEqual([poisoned]);
  expect(await host.row(poisoned)).toMatchObject({ state: "waiting", payload: "{no JSON", progress: null });
  const failed = host.next("job.failed");
  const done = host.next("job.completed");
  host.jobs.register(job);
  host.define("other", () => {});
  const fine = await host.enqueue(job, { n: 3 });
  expect(await failed).toMatchObject({ id: poisoned, will_retry: false });
  expect(await done).toMatchObject({ id: fine });
  expect(await host.row(poisoned)).toMatchObject({ state: "incompatible" });
  expect(await host.row(gone)).toBeUndefined();
  await log.said("jobs of this name can't be read in Redis");
  const { items } = await backend.list({}, {});
  expect(items.map(({ id }) => id).toSorted()).toEqual([fine, poisoned].toSorted());
});

testWithRedis("a job whose process has ended again and again is dead", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis, leaseMs: 200 });
  using connection = await connect(redis.url);
  const { client } = connection;
  const job = host.prepare("work", () => {});
  const ids = [await host.enqueue(job, 9), await host.enqueue(job, 8)];
  // As a killed process has left them.
  for (const [at, id] of ids.entries()) {
    // oxlint-disable-next-line no-await-in-loop
    await client.zRem(`${PREFIX}:prioritized`, id);
    await client.lPush(`${PREFIX}:active`, id); // oxlint-disable-line no-await-in-loop
    await client.hSet(`${PREFIX}:${id}`, "stc", String(9 - at)); // oxlint-disable-line no-await-in-loop
  }
  const done = host.next("job.completed");
  host.jobs.register(job);
  expect(await done).toMatchObject({ id: ids[1], attempt: 1 });
  const row = await host.row(ids[0] as string);
  expect(row).toMatchObject({ state: "dead", error: expect.stringContaining("10 times"), payload: "9" });
});

testWithRedis("what was lost to another process isn't noted by the first", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis });
  using connection = await connect(redis.url);
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const refused = Promise.withResolvers<unknown>();
  const job = host.define("work", async ({ step }) => {
    begun.resolve();
    await gate.promise;
    const late = step("late", async (tx) => {
      await tx.insert(host.store.tables.roles).values({ name: "role_late" });
    });
    refused.resolve(await late.catch((error: Error) => error.message));
  });
  const id = await host.enqueue(job);
  await begun.promise;
  await connection.client.set(`${PREFIX}:${id}:lock`, "another");
  gate.resolve();
  expect(await refused.promise).toContain("doesn't belong to this process any more");
  await host.jobs.close(AbortSignal.timeout(5000));
  expect(await connection.client.lRange(`${PREFIX}:active`, 0, -1)).toEqual([id]);
  const { db, tables } = host.store;
  expect(await db.$count(tables.roles, eq(tables.roles.name, "role_late"))).toBe(0);
});

testWithRedis("jobs are listed from both, cancelled and deleted in both", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis });
  const backend = await host.jobs.backend();
  const job = host.prepare(
    "work",
    () => {
      throw new Error("no");
    },
    { attempts: 1 },
  );
  const plain = await host.enqueue(job, 1);
  const later = await host.enqueue(job, 2, { delay: 3600, priority: 3 });
  const unique = await host.enqueue(job, 3, { unique: "x" });
  const [first = "", second = ""] = await (
    await host.jobs.queue()
  ).chain([
    { definition: job, payload: 4, options: { delay: 3600 } },
    { definition: job, payload: 5 },
  ]);
  const all = [plain, later, unique, first, second].toSorted().toReversed();
  const read = async (query: object, filter = {}) => {
    const { items, total, next } = await backend.list(filter, query);
    return { ids: items.map(({ id }) => id), total, next };
  };
  // One that is handed over just then is counted on both sides.
  const { db, tables } = host.store;
  const handed = and(eq(tables.jobs.id, unique), eq(tables.jobs.worker, REDIS), isNull(tables.jobs.due_at));
  while ((await db.$count(tables.jobs, handed)) === 0) await Bun.sleep(5); // oxlint-disable-line no-await-in-loop
  expect(await read({})).toEqual({ ids: all, total: 5, next: undefined });
  const page = await read({ per_page: 2 });
  expect(page).toEqual({ ids: all.slice(0, 2), total: 5, next: all[1] });
  expect((await read({ per_page: 2, after: page.next })).ids).toEqual(all.slice(2, 4));
  expect((await read({ page: 3, per_page: 2 })).ids).toEqual(all.slice(4));
  expect((await read({ sort: "id" })).ids).toEqual(all.toReversed());
  expect((await read({}, { state: "blocked" })).ids).toEqual([second]);
  expect((await read({}, { state: "delayed" })).ids.toSorted()).toEqual([later, first].toSorted());
  expect((await read({}, { plugin: "other" })).ids).toEqual([]);
  expect(await host.row(later)).toMatchObject({ state: "delayed", rank: -3, due_at: expect.any(Number) });
  expect(await backend.cancel(later)).toBe("cancelled");
  expect(await host.row(later)).toMatchObject({ state: "cancelled", rank: -3, payload: "2" });
  expect(await backend.cancel(later)).toBe("deleted");
  expect(await backend.cancel(first)).toBe("cancelled");
  expect(await host.row(second)).toMatchObject({ state: "cancelled" });
  expect(await backend.cancel(Bun.randomUUIDv7())).toBeNull();
  const dead = host.next("job.failed", ({ id }) => id === plain);
  host.jobs.register(job);
  await dead;
  expect(await host.row(plain)).toMatchObject({ state: "dead", error: "no", attempt: 1, payload: "1" });
  const again = host.next("job.failed", ({ id }) => id === plain);
  expect(await backend.retry(plain)).toBe("dead");
  await again;
  expect(await backend.retry(Bun.randomUUIDv7())).toBeNull();
});

testWithRedis("jobs that Redis has lost, and the database knows, are run", async ({ driver, redis }) => {
  const log = new Log();
  await using host = await JobHost.create(driver, { redis, leaseMs: 400, onLog: log.note });
  using connection = await connect(redis.url);
  const { client } = connection;
  const job = host.prepare("work", () => {});
  const id = await host.enqueue(job, 1, { unique: "x" });
  while ((await client.exists(`${PREFIX}:${id}`)) === 0) await Bun.sleep(5); // oxlint-disable-line no-await-in-loop
  while ((await host.store.db.$count(host.store.tables.jobs, isNull(host.store.tables.jobs.due_at))) === 0)
    await Bun.sleep(5); // oxlint-disable-line no-await-in-loop
  await client.flushAll();
  await client.sendCommand(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
  await log.said("Redis has lost jobs");
  const done = host.next("job.completed");
  host.jobs.register(job);
  expect(await done).toMatchObject({ id });
});
