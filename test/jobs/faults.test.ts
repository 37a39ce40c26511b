import { eq, sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import { testOnDialect, testOnEachDialect } from "../database-servers.ts";
import { writePayload } from "../../src/jobs/definition/payloads.ts";
import { failureOf } from "../db/failures.ts";
import { JobHost } from "./job-host.ts";
import { killWhileRunning } from "./kills.ts";

testOnEachDialect(
  "each job is done though its process is killed five times, and none twice that wasn't running then",
  async ({ driver, url }) => {
    const report = await killWhileRunning({
      driver,
      url,
      count: 400,
      kills: 5,
      concurrency: 4,
      leaseMs: 300,
    });
    expect(report).toMatchObject({ done: 400, unexplained: 0 });
    expect(report.twice).toBeLessThanOrEqual(5 * 4);
  },
  120_000,
);

testOnEachDialect("a job whose process has ended again and again is dead", async ({ driver }) => {
  await using host = await JobHost.create(driver, { leaseMs: 100 });
  const { db, tables } = host.store;
  const id = Bun.randomUUIDv7();
  const left = {
    state: "running",
    worker: Bun.randomUUIDv7(),
    due_at: 1,
    payload: "null",
    attempt: 1,
  } as const;
  await db.insert(tables.jobs).values({ ...left, id, name: "test:poison", lost: 9 });
  const other = Bun.randomUUIDv7();
  await db.insert(tables.jobs).values({ ...left, id: other, name: "test:poison", lost: 8 });
  const done = host.next("job.completed");
  host.define("poison", () => {});
  expect(await done).toMatchObject({ id: other, attempt: 1 });
  expect(await host.row(id)).toMatchObject({ state: "dead", error: expect.stringContaining("10 times") });
});

testOnEachDialect(
  "a lease that a clock has put far away is cut down to what it may be",
  async ({ driver }) => {
    await using host = await JobHost.create(driver, { leaseMs: 200 });
    const { db, tables } = host.store;
    const id = Bun.randomUUIDv7();
    // As a process left it that was killed before the clock was set back by a day.
    const due = Date.now() + 86_400_000;
    const worker = Bun.randomUUIDv7();
    await db
      .insert(tables.jobs)
      .values({ id, name: "test:late", state: "running", worker, due_at: due, payload: "null", attempt: 1 });
    const done = host.next("job.completed");
    host.define("late", () => {});
    expect(await done).toMatchObject({ id });
  },
);

testOnEachDialect(
  "a job that runs here isn't taken for lost, whatever its lease says",
  async ({ driver }) => {
    await using host = await JobHost.create(driver, { leaseMs: 30_000 });
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    let runs = 0;
    const job = host.define("long", async () => {
      runs += 1;
      begun.resolve();
      await gate.promise;
    });
    const id = await host.enqueue(job);
    await begun.promise;
    // The clock has jumped ahead by more than a lease.
    await host.store.db.update(host.store.tables.jobs).set({ due_at: 1 });
    const other = host.define("other", () => {});
    const done = host.next("job.completed", ({ name }) => name === "other");
    await host.enqueue(other, null, { delay: 0.05 }); // by then it has been looked for what is due
    await done;
    const ended = host.next("job.completed", ({ id: one }) => one === id);
    gate.resolve();
    await ended;
    expect(runs).toBe(1);
  },
);

testOnEachDialect("what was lost to another process isn't noted by the first", async ({ driver }) => {
  await using host = await JobHost.create(driver);
  const { db, tables } = host.store;
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const job = host.define("taken", async () => {
    begun.resolve();
    await gate.promise;
  });
  const id = await host.enqueue(job);
  await begun.promise;
  const thief = Bun.randomUUIDv7();
  await db.update(tables.jobs).set({ worker: thief }).where(eq(tables.jobs.id, id));
  gate.resolve();
  await host.jobs.close(AbortSignal.abort());
  expect(await host.row(id)).toMatchObject({ state: "running", worker: thief });
});

testOnDialect("sqlite", "a full disk refuses a job, and loses none that is there", async ({ driver }) => {
  await using host = await JobHost.create(driver);
  const { db } = host.store;
  const job = host.prepare("work", () => {});
  const first = await host.enqueue(job, "there");
  await db.execute(sql`pragma max_page_count = 1`);
  const filling = (async () => {
    for (;;) await host.enqueue(job, "x".repeat(100_000)); // oxlint-disable-line no-await-in-loop
  })();
  expect(await failureOf(filling)).toMatchObject({ fault: "full" });
  await db.execute(sql`pragma max_page_count = 1000000`);
  const done = host.next("job.completed", ({ id }) => id === first);
  host.jobs.register(job);
  await done;
});

const circular: Record<string, unknown> = {};
circular["self"] = circular;

test.each([
  ["a BigInt", { n: 1n }, "payload.n is no JSON, it is of type bigint"],
  ["what refers to itself", circular, "payload.self is no JSON, it is a reference to what it is in"],
  ["undefined in a list", [1, undefined], "payload[1] is no JSON, it is of type undefined"],
  ["a function", { f: () => {} }, "payload.f is no JSON, it is of type function"],
  ["NaN", { a: [Number.NaN] }, "payload.a[0] is no JSON, it is NaN"],
  ["a Map", { m: new Map() }, "payload.m is no JSON, it is a Map"],
  ["a Set of its own class", new (class Tags extends Set {})(), "payload is no JSON, it is a Tags"],
])("%s is refused as a payload, with its place", (_, payload, message) => {
  expect(() => writePayload("blog:notify", payload)).toThrow(`Cannot enqueue "blog:notify": ${message}`);
});

test("payloads of JSON are taken, up to 1 MB", () => {
  expect(writePayload("a:b", undefined)).toBe("null");
  expect(writePayload("a:b", { at: new Date(0), gone: undefined })).toBe('{"at":"1970-01-01T00:00:00.000Z"}');
  expect(() => writePayload("a:b", { rows: "x".repeat(10 * 1024 * 1024) })).toThrow(
    expect.objectContaining({
      code: "job_payload_too_large",
      message: expect.stringContaining("its payload has 10.0 MB, and 1 MB is the most"),
    }),
  );
});
