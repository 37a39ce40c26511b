import { eq, sql } from "drizzle-orm";
import { expect } from "bun:test";
import { t } from "elysia";
import pino from "pino";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { openDatabase } from "../../src/db/open.ts";
import { testOnDialect } from "../database-servers.ts";
import { failureOf } from "../db/failures.ts";
import { testOnEachBackend } from "./backends.ts";
import { JobHost } from "./job-host.ts";

/** Resolves once it was called so often. */
function counter(count: number) {
  const { promise: reached, resolve } = Promise.withResolvers<void>();
  let left = count;
  return { reached, hit: () => void ((left -= 1) === 0 && resolve()) };
}

testOnEachBackend("jobs run by priority, and those of the same in their order", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis, concurrency: 1 });
  const seen: unknown[] = [];
  const { reached, hit } = counter(4);
  const job = host.prepare("one", ({ payload }) => {
    seen.push(payload);
    hit();
  });
  await host.enqueue(job, "a");
  await host.enqueue(job, "b");
  await host.enqueue(job, "last", { priority: -1 });
  await host.enqueue(job, "first", { priority: 5 });
  host.jobs.register(job);
  await reached;
  expect(seen).toEqual(["first", "a", "b", "last"]);
});

testOnEachBackend("priority counts between jobs of different names", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis, concurrency: 1 });
  const seen: unknown[] = [];
  const { reached, hit } = counter(3);
  const handler = ({ payload }: { payload: unknown }) => {
    seen.push(payload);
    hit();
  };
  const [low, high] = [host.prepare("low", handler), host.prepare("high", handler)];
  await host.enqueue(low, "low 1");
  await host.enqueue(low, "low 2");
  await host.enqueue(high, "high", { priority: 1 });
  await (await host.jobs.queue()).close(AbortSignal.abort());
  await using other = await JobHost.create(driver, { redis, concurrency: 1 });
  other.jobs.register(low);
  other.jobs.register(high);
  await reached;
  expect(seen).toEqual(["high", "low 1", "low 2"]);
});

testOnEachBackend("a job waits for its delay", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis });
  const job = host.define("later", () => {});
  const begun = performance.now();
  const done = host.next("job.completed");
  const id = await host.enqueue(job, null, { delay: 0.3 });
  expect(await done).toMatchObject({ id });
  expect(performance.now() - begun).toBeGreaterThan(250);
  const at = new Date(Date.now() + 3_600_000);
  const far = await host.enqueue(job, null, { at });
  expect(await host.row(far)).toMatchObject({ state: "delayed", due_at: at.getTime() });
});

testOnEachBackend(
  "a job with the same unique text is added once, until it has ended",
  async ({ driver, redis }) => {
    await using host = await JobHost.create(driver, { redis });
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const job = host.define("sync", async () => {
      begun.resolve();
      await gate.promise;
    });
    const first = await host.enqueue(job, 1, { unique: "x\n ".repeat(5000) });
    await begun.promise;
    expect(await host.enqueue(job, 2, { unique: "x\n ".repeat(5000) })).toBe(first);
    expect(await host.enqueue(job, 2, { unique: "y" })).not.toBe(first);
    const done = host.next("job.completed", ({ id }) => id === first);
    gate.resolve();
    await done;
    expect(await host.enqueue(job, 3, { unique: "x\n ".repeat(5000) })).not.toBe(first);
  },
);

testOnEachBackend("of jobs with the same key one runs at a time", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis, concurrency: 8 });
  await using other = await JobHost.create(driver, { redis, concurrency: 8 });
  const running = new Map<string, number>();
  const order: number[] = [];
  let most = 0;
  let together = 0;
  const { reached, hit } = counter(30);
  const handler = async ({ payload }: { payload: { customer: string; n: number } }) => {
    const { customer, n } = payload;
    running.set(customer, (running.get(customer) ?? 0) + 1);
    most = Math.max(most, ...running.values());
    together = Math.max(together, [...running.values()].filter((count) => count > 0).length);
    if (customer === "c0") order.push(n);
    await Bun.sleep(2);
    running.set(customer, (running.get(customer) ?? 0) - 1);
    hit();
  };
  const job = host.prepare("charge", handler, {
    key: ({ customer }: { customer: string }) => customer.repeat(1000),
  });
  await host.enqueueMany(
    Array.from({ length: 30 }, (_, n) => ({ definition: job, payload: { customer: `c${n % 3}`, n } })),
  );
  host.jobs.register(job);
  other.jobs.register(job);
  await reached;
  expect(most).toBe(1);
  expect(together).toBeGreaterThan(1);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
});

testOnEachBackend("concurrency holds on all instances together", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis, concurrency: 8 });
  await using other = await JobHost.create(driver, { redis, concurrency: 8 });
  let running = 0;
  let most = 0;
  const { reached, hit } = counter(20);
  const job = host.prepare(
    "few",
    async () => {
      running += 1;
      most = Math.max(most, running);
      await Bun.sleep(5);
      running -= 1;
      hit();
    },
    { concurrency: 2 },
  );
  await host.enqueueMany(Array.from({ length: 20 }, () => ({ definition: job, payload: null })));
  host.jobs.register(job);
  other.jobs.register(job);
  await reached;
  expect(most).toBe(2);
});

testOnEachBackend("no more start in a window than the rate says", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis, concurrency: 8 });
  const starts: number[] = [];
  const begun = performance.now();
  const { reached, hit } = counter(9);
  const job = host.define(
    "mail",
    () => {
      starts.push(performance.now());
      hit();
    },
    { rate: { max: 3, window: 0.4 } },
  );
  await host.enqueueMany(Array.from({ length: 9 }, () => ({ definition: job, payload: null })));
  await reached;
  // The seventh is of the third window, and the first window began after this.
  expect((starts[6] ?? 0) - begun).toBeGreaterThan(790);
});

testOnEachBackend("a job that fails is tried again, and is dead in the end", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis });
  const tries: number[] = [];
  const job = host.define(
    "bad",
    ({ attempt, isLast }) => {
      tries.push(attempt);
      throw new Error(`no ${attempt}${isLast ? ", and no more" : ""}`);
    },
    { attempts: 3, backoff: { delay: 0.02, max: 0.05 } },
  );
  const dead = host.next("job.failed", ({ will_retry: again }) => !again);
  const id = await host.enqueue(job, { a: 1 });
  expect(await dead).toMatchObject({ id, name: "bad", attempt: 3, message: "no 3, and no more" });
  expect(tries).toEqual([1, 2, 3]);
  expect(await host.row(id)).toMatchObject({
    state: "dead",
    attempt: 3,
    error: "no 3, and no more",
    worker: null,
  });
});

testOnEachBackend("a handler that never ends loses its place, and is told", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis, concurrency: 1 });
  const told = Promise.withResolvers<unknown>();
  const stuck = host.define(
    "stuck",
    ({ signal, step, progress }) => {
      signal.addEventListener("abort", () => {
        const late = step("late", () => 1).then(
          () => "ran",
          (error: Error) => error.message,
        );
        expect(() => progress(0.5)).toThrow("isn't run here any more");
        told.resolve(late);
      });
      return new Promise(() => {});
    },
    { timeout: 0.05, attempts: 1 },
  );
  const next = host.define("next", () => {});
  const [failed, done] = [host.next("job.failed"), host.next("job.completed")];
  await host.enqueue(stuck);
  await host.enqueue(next);
  expect(await failed).toMatchObject({
    name: "stuck",
    message: "It took longer than 0.05 s",
    will_retry: false,
  });
  expect(await told.promise).toContain("isn't run here any more");
  expect(await done).toMatchObject({ name: "next" });
});

testOnEachBackend(
  "a payload that doesn't fit any more is set aside, with the reason",
  async ({ driver, redis }) => {
    await using host = await JobHost.create(driver, { redis });
    const before = host.prepare("import", () => {});
    const id = await host.enqueue(before, { file: 7 });
    const failed = host.next("job.failed");
    host.define("import", () => expect.unreachable(), { payload: t.Object({ file: t.String() }) });
    expect(await failed).toMatchObject({ id, will_retry: false });
    expect(await host.row(id)).toMatchObject({
      state: "incompatible",
      error: expect.stringContaining("payload/file"),
    });
  },
);

testOnEachBackend(
  "steps that are done aren't run again, and those of a failed transaction are",
  async ({ driver, redis }) => {
    await using host = await JobHost.create(driver, { redis });
    const { db, tables } = host.store;
    const { roles } = tables;
    const log: string[] = [];
    const job = host.define(
      "charge",
      async ({ step, attempt }) => {
        const receipt = await step("charge", () => {
          log.push("charged");
          return { at: new Date(0), total: 5 };
        });
        log.push(JSON.stringify(receipt));
        await step("book", async (tx) => {
          log.push(`booked ${attempt}`);
          await tx.insert(roles).values({ name: `role_${attempt}` });
          if (attempt === 1) throw new Error("no");
        });
        await step("tell", async (_tx) => {});
        if (attempt === 2) throw new Error("after all steps");
      },
      { backoff: 0, attempts: 5 },
    );
    const done = host.next("job.completed");
    await host.enqueue(job);
    await done;
    const receipt = '{"at":"1970-01-01T00:00:00.000Z","total":5}';
    expect(log).toEqual(["charged", receipt, "booked 1", receipt, "booked 2", receipt]);
    const made = await db.select({ name: roles.name }).from(roles).where(eq(roles.is_builtin, false));
    expect(made).toEqual([{ name: "role_2" }]);
  },
);

testOnEachBackend("a batch's job runs once all of the others have ended", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis });
  const ended: unknown[] = [];
  const job = host.define(
    "part",
    ({ payload }) => {
      ended.push(payload);
      if (payload === 2) throw new Error("no");
    },
    { attempts: 1 },
  );
  const last = host.define("report", ({ batch, payload }) => {
    ended.push({ batch, payload });
  });
  const done = host.next("job.completed", ({ name }) => name === "report");
  const queue = await host.jobs.queue();
  const parts = [1, 2, 3].map((payload) => ({ definition: job, payload }));
  const id = await queue.batch(parts, { definition: last, payload: "all" });
  expect(await done).toMatchObject({ id });
  expect(ended.at(-1)).toEqual({ batch: { total: 3, failed: 1 }, payload: "all" });
  expect(ended).toHaveLength(4);
  const empty = host.next("job.completed", ({ name }) => name === "report");
  await queue.batch([], { definition: last, payload: "none" });
  await empty;
  expect(ended.at(-1)).toEqual({ batch: { total: 0, failed: 0 }, payload: "none" });
});

testOnEachBackend("a batch waits for none that its unique finds already there", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis });
  const gate = Promise.withResolvers<void>();
  const part = host.define("part", () => gate.promise);
  const last = host.define("report", () => {});
  const queue = await host.jobs.queue();
  await host.enqueue(part, 1, { unique: "a" });
  const reported = host.next("job.completed", ({ name }) => name === "report");
  const twin = { definition: part, payload: 2, options: { unique: "a" } };
  const id = await queue.batch([twin], { definition: last, payload: null });
  expect(await reported).toMatchObject({ id });
  gate.resolve();
  const chain = queue.chain([twin]);
  expect(await chain.catch((error: Error) => error.message)).toContain('it has a "unique"');
});

testOnEachBackend(
  "what is no transaction is refused before anything is written",
  async ({ driver, redis }) => {
    await using host = await JobHost.create(driver, { redis });
    const { db, tables } = host.store;
    const queue = await host.jobs.queue();
    const one = { definition: host.prepare("one", () => {}), payload: null };
    const none = db as never;
    for (const add of [
      () => queue.enqueue(one, none),
      () => queue.enqueueMany([one], none),
      () => queue.batch([one], one, none),
      () => queue.batch([], one, none),
      () => queue.chain([one, one], none),
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await failureOf(add())).toMatchObject({ message: expect.stringContaining("isn't the `tx`") });
    }
    expect(await db.$count(tables.jobs)).toBe(0);
  },
);

testOnEachBackend("a job that needn't be kept is deleted as it is completed", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis });
  const job = host.define("brief", ({ step }) => step("one", () => 1), { keep: 0 });
  const done = host.next("job.completed");
  const id = await host.enqueue(job);
  await done;
  expect(await host.row(id)).toBeUndefined();
  expect(await host.store.db.$count(host.store.tables.jobSteps)).toBe(0);
});

testOnEachBackend("jobs of a chain run one after another", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis });
  const seen: unknown[] = [];
  const { reached, hit } = counter(4);
  const job = host.define(
    "link",
    ({ payload, attempt }) => {
      seen.push(payload);
      hit();
      if (payload === 2 && attempt === 1) throw new Error("once");
    },
    { backoff: 0.02 },
  );
  const queue = await host.jobs.queue();
  const ids = await queue.chain([1, 2, 3].map((payload) => ({ definition: job, payload })));
  expect(ids).toHaveLength(3);
  await reached;
  expect(seen).toEqual([1, 2, 2, 3]);
});

testOnEachBackend(
  "a stopping process gives back what doesn't end in time, as if it hadn't begun",
  async ({ driver, redis }) => {
    await using host = await JobHost.create(driver, { redis, concurrency: 2 });
    const begun = Promise.withResolvers<void>();
    const reasons: unknown[] = [];
    const job = host.define("long", ({ signal }) => {
      signal.addEventListener("abort", () => reasons.push((signal.reason as Error).message));
      begun.resolve();
      return new Promise(() => {});
    });
    const id = await host.enqueue(job);
    await begun.promise;
    const stopping = new AbortController();
    const closed = host.jobs.close(stopping.signal);
    expect((await host.row(id))?.state).toBe("running");
    stopping.abort();
    await closed;
    expect(reasons).toEqual(["The server stops"]);
    await using other = await JobHost.create(driver, { redis });
    expect(await other.row(id)).toMatchObject({ state: "waiting", attempt: 0, lost: 0, worker: null });
  },
);

testOnEachBackend("two processes share 500 jobs, and run each once", async ({ driver, redis }) => {
  await using host = await JobHost.create(driver, { redis, concurrency: 8 });
  await using other = await JobHost.create(driver, { redis, concurrency: 8 });
  const runs = new Map<number, number>();
  const { reached, hit } = counter(500);
  const job = host.prepare("many", ({ payload }) => {
    runs.set(payload, (runs.get(payload) ?? 0) + 1);
    hit();
  });
  const payloads = Array.from({ length: 500 }, (_, payload) => ({ definition: job, payload }));
  host.jobs.register(job);
  other.jobs.register(job);
  await host.enqueueMany(payloads);
  await reached;
  expect(runs.size).toBe(500);
  expect(Math.max(...runs.values())).toBe(1);
});

testOnDialect(
  "postgres",
  "however many jobs wait, a claim reads those that it takes",
  async ({ driver, url }) => {
    const log = pino({ level: "silent" });
    const other = await openDatabase({ url: parseDatabaseUrl(url, "/"), poolSize: 2, echo: false, log });
    {
      await using host = await JobHost.create(other, { concurrency: 20 });
      const done = host.next("job.completed");
      const job = host.define("many", () => {});
      await host.enqueue(job);
      await done;
      // What PostgreSQL knows of the table is that nothing waits.
      await host.store.db.execute(sql`analyze jobs`);
      const { reached, hit } = counter(2000);
      const many = host.prepare("many", hit);
      await host.enqueueMany(Array.from({ length: 2000 }, () => ({ definition: many, payload: null })));
      host.jobs.register(many);
      await reached;
    }
    await other.close(); // a server's process tells what it has read at its end at the latest
    const [read] = await driver
      .toDatabase({})
      .execute(sql`select idx_tup_read from pg_stat_user_indexes where indexrelname = 'jobs_due'`);
    expect(Number(read?.["idx_tup_read"])).toBeLessThan(2000);
  },
);
