import { setImmediate } from "node:timers/promises";
import { t } from "elysia";
import { eq } from "drizzle-orm";
import { expect } from "bun:test";
import type { Driver } from "../../src/db/contract/driver.ts";
import type { JobDefinition } from "../../src/jobs/definition/options.ts";
import { fromNow } from "../../src/jobs/drivers/database/ground.ts";
import type { RedisJobs } from "../../src/jobs/backends.ts";
import { testWithCoreTables } from "../database-servers.ts";
import { testOnEachBackend } from "./backends.ts";
import { JobHost } from "./job-host.ts";

const OLD = t.Object({ n: t.Integer() });
const NEW = t.Object({ n: t.Integer(), unit: t.String() });

/** One of several instances, with its version of a plugin, and what its handler was given. */
class Instance implements AsyncDisposable {
  readonly host: JobHost;
  readonly job: JobDefinition;
  readonly given: unknown[];

  private constructor(host: JobHost, job: JobDefinition, given: unknown[]) {
    this.host = host;
    this.job = job;
    this.given = given;
  }

  /** @param leaseMs how long the others believe what it has said */
  static async start(
    driver: Driver,
    payload: typeof OLD | typeof NEW,
    { redis = null, leaseMs = 30_000 }: { redis?: RedisJobs | null; leaseMs?: number } = {},
  ): Promise<Instance> {
    const host = await JobHost.create(driver, { isShared: true, redis, leaseMs });
    const given: unknown[] = [];
    const handler = ({ payload: one }: { payload: unknown }) => given.push(one);
    return new Instance(host, host.prepare("work", handler, { payload }), given);
  }

  /** Has jobs run here; resolves once the others can know. */
  async run(): Promise<() => void> {
    const undo = this.host.jobs.register(this.job);
    const versions = async () => {
      const rows = await this.host.store.db.select().from(this.host.store.tables.jobVersions);
      return rows.map(({ version }) => version);
    };
    // oxlint-disable-next-line no-await-in-loop
    while (!(await versions()).includes(this.job.version)) await setImmediate();
    return undo;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.host[Symbol.asyncDispose]();
  }
}

const count = (n: number): number[] => Array.from({ length: n }, (_, index) => index);
const byNumber = (given: unknown[]): unknown[] => (given as { n: number }[]).toSorted((a, b) => a.n - b.n);

/** Resolves with all jobs once so many have ended, wherever they ran. */
async function ended({ host }: Instance, jobs: number) {
  const backend = await host.jobs.backend();
  for (;;) {
    /* oxlint-disable no-await-in-loop -- one look after another */
    const { items } = await backend.list({}, { per_page: 100 });
    if (items.filter(({ ended_at: at }) => at !== null).length >= jobs) return items;
    await Bun.sleep(5);
    /* oxlint-enable no-await-in-loop */
  }
}

testOnEachBackend(
  "jobs are run by the version that they were enqueued for, while one runs it",
  async ({ driver, redis }) => {
    await using old = await Instance.start(driver, OLD, { redis });
    await using next = await Instance.start(driver, NEW, { redis });
    await old.run();
    await next.run();
    // The payloads of the new version would do for the old one, which would leave out what it doesn't know.
    for (const n of count(20)) {
      /* oxlint-disable no-await-in-loop -- in turns */
      await old.host.enqueue(next.job, { n, unit: "m" });
      await next.host.enqueue(old.job, { n });
      /* oxlint-enable no-await-in-loop */
    }
    const rows = await ended(old, 40);
    expect(byNumber(old.given)).toEqual(count(20).map((n) => ({ n })));
    expect(byNumber(next.given)).toEqual(count(20).map((n) => ({ n, unit: "m" })));
    expect(new Set(rows.map(({ state, attempt }) => `${state} ${attempt}`))).toEqual(
      new Set(["completed 1"]),
    );
  },
);

testWithCoreTables(
  "an instance that hasn't said yet what it runs loses nothing to the others",
  async ({ driver }) => {
    await using old = await Instance.start(driver, OLD);
    await using next = await Instance.start(driver, NEW);
    await next.run();
    const id = await next.host.enqueue(old.job, { n: 1 });
    const { db, tables } = next.host.store;
    const isLeft = async () => {
      const [job] = await db.select().from(tables.jobs).where(eq(tables.jobs.id, id));
      return job?.state === "delayed";
    };
    // oxlint-disable-next-line no-await-in-loop
    while (!(await isLeft())) await setImmediate();
    const dueAt = (due_at: number) => db.update(tables.jobs).set({ due_at }).where(eq(tables.jobs.id, id));
    await dueAt(Number.MAX_SAFE_INTEGER); // however long the other takes
    const done = old.host.next("job.completed");
    await old.run();
    await dueAt(1);
    expect(await done).toMatchObject({ id, attempt: 1 });
    expect(old.given).toEqual([{ n: 1 }]);
  },
);

testOnEachBackend(
  "jobs of a version that nobody runs any more move to the others, as far as they fit",
  async ({ driver, redis }) => {
    await using old = await Instance.start(driver, OLD, { redis });
    await using next = await Instance.start(driver, NEW, { redis });
    await next.run();
    const undo = await old.run();
    await next.host.enqueue(old.job, { n: 1 }, { delay: 0.5 });
    undo(); // its plugin is replaced, or gone
    const failed = next.host.next("job.failed");
    expect(await failed).toMatchObject({
      message: expect.stringContaining("payload/unit"),
      will_retry: false,
    });
    expect(old.given).toEqual([]);
  },
);

testOnEachBackend(
  "a process that has ended without a word holds its version's jobs up for a lease",
  async ({ driver, redis }) => {
    const LEASE_MS = 500;
    await using gone = await Instance.start(driver, NEW, { redis, leaseMs: LEASE_MS });
    await using old = await Instance.start(driver, OLD, { redis, leaseMs: LEASE_MS });
    const { db, tables } = old.host.store;
    // What a killed process leaves.
    await old.run();
    const worker = Bun.randomUUIDv7();
    const startedAt = performance.now();
    await db
      .insert(tables.jobVersions)
      .values({ worker, name: gone.job.name, version: gone.job.version, seen_at: fromNow({ driver }) });
    const id = await old.host.enqueue(gone.job, { n: 1, unit: "m" });
    expect(await old.host.next("job.completed")).toMatchObject({ id, attempt: 1 });
    expect(old.given).toEqual([{ n: 1, unit: "m" }]);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(LEASE_MS);
  },
);
