import { type TSchema, Type } from "@sinclair/typebox";
import { eq, sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import { t } from "elysia";
import { testOnDialect, testWithCoreTables } from "../database-servers.ts";
import type { AppError } from "../../src/errors/errors.ts";
import type { JobDefinition } from "../../src/jobs/definition/options.ts";
import { createJobDesk } from "../../src/jobs/admin/desk.ts";
import { assertPayload, writePayload } from "../../src/jobs/definition/payloads.ts";
import { failureOf } from "../db/failures.ts";
import { testOnEachBackend } from "./backends.ts";
import { JobHost } from "./job-host.ts";
import { killWhileRunning, MOST_AT_A_KILL } from "./kills.ts";

testOnEachBackend(
  "each job is done though its process is killed five times, and none twice that wasn't running then",
  async ({ driver, url, redis }) => {
    const report = await killWhileRunning({
      driver,
      url,
      redis,
      count: 400,
      kills: 5,
      concurrency: 4,
      leaseMs: 1000, // a process that a busy machine holds up for longer loses its jobs to another
    });
    expect(report).toMatchObject({ done: 400, unexplained: 0 });
    expect(report.twice).toBeLessThanOrEqual(5 * MOST_AT_A_KILL);
  },
  120_000,
);

testWithCoreTables("a job whose process has ended again and again is dead", async ({ driver }) => {
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

testWithCoreTables(
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

testWithCoreTables(
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

testWithCoreTables("a job whose end is being noted isn't taken for lost", async ({ driver }) => {
  await using host = await JobHost.create(driver);
  const backend = await host.jobs.backend();
  const own = { ...backend };
  let held: (() => readonly string[]) | null = null;
  const seen: string[] = [];
  Object.assign(backend, {
    createLookout: (options: Parameters<typeof own.createLookout>[0]) => {
      ({ held } = options);
      return own.createLookout(options);
    },
    exchange: (exchanged: Parameters<typeof own.exchange>[0]) => {
      if (exchanged.outcomes.length > 0) seen.push(...(held?.() ?? []));
      return own.exchange(exchanged);
    },
  });
  const done = host.next("job.completed");
  const id = await host.enqueue(host.define("short", () => {}));
  await done;
  expect(seen).toEqual([id]);
});

testWithCoreTables("what was lost to another process isn't noted by the first", async ({ driver }) => {
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

testWithCoreTables(
  "of two instances with different versions of a plugin, neither loses what the other enqueues",
  async ({ driver }) => {
    await using old = await JobHost.create(driver);
    await using next = await JobHost.create(driver);
    old.define("import", () => expect.unreachable(), { payload: t.Object({ file: t.String() }) });
    const job = next.prepare("import", () => {}, { payload: t.Object({ url: t.String() }) });
    const aside = old.next("job.failed");
    const id = await next.enqueue(job, { url: "https://example.com" });
    expect(await aside).toMatchObject({
      id,
      message: "payload/file: Required, but missing",
      will_retry: false,
    });
    expect(await next.row(id)).toMatchObject({ state: "incompatible" });
    await old.jobs.close(AbortSignal.abort());
    const done = next.next("job.completed");
    next.jobs.register(job);
    await createJobDesk(await next.jobs.backend()).retry(id);
    expect(await done).toMatchObject({ id, attempt: 1 });
  },
);

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

/** How enqueuing a payload is refused that a schema doesn't take. */
function refusalOf(schema: TSchema, payload: unknown): AppError {
  try {
    assertPayload({ name: "a:b", schema } as JobDefinition, JSON.stringify(payload));
  } catch (error) {
    return error as AppError;
  }
  throw new Error("it is taken");
}

test("of a payload with very many mistakes, the first are told", () => {
  const payload = Array.from({ length: 400_000 }, () => 1);
  const { code, message, errors = [] } = refusalOf(t.Array(t.String()), payload);
  expect([code, errors.length]).toEqual(["validation_error", 64]);
  expect(message).toStartWith('Cannot enqueue "a:b": payload/0: Expected string; payload/1: ');
  expect(message.length).toBeLessThan(3000);
});

test.each<[what: string, schema: TSchema, message: string]>([
  ["a date that is none", t.Object({ x: t.Date() }), "payload/x: Can't be read as what the schema says"],
  [
    "what its schema can't decode",
    t.Object({ x: Type.Transform(t.Number()).Decode(refuse).Encode(Number) }),
    "payload/x: no such customer",
  ],
])("%s is refused as a payload, with its place", (_what, schema, message) => {
  const error = refusalOf(schema, { x: 1e18 });
  expect(error).toMatchObject({ code: "validation_error", message: `Cannot enqueue "a:b": ${message}` });
  expect(error.errors).toMatchObject([{ path: "/payload/x", code: "invalid" }]);
});

function refuse(): never {
  throw new Error("no such customer");
}
