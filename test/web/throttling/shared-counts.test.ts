import { expect } from "bun:test";
import pino from "pino";
import { LimitStore } from "../../../src/cluster/limit-store.ts";
import { Counters, giveBack, type Limit, take, toStanding } from "../../../src/web/throttling/counters.ts";
import { SharedCounts } from "../../../src/web/throttling/shared-counts.ts";
import { PrivateServer } from "../../faults/private-server.ts";
import { testWithProgram } from "../../programs.ts";

const test = (name: string, run: () => Promise<void>): void => testWithProgram("redis-server", name, run);

const HOUR = 3_600_000;
const KEY = "192.0.2.1";

/** What counts in one of several instances, by a clock of its own. */
class Instance implements AsyncDisposable {
  readonly store: LimitStore;
  readonly counters = new Counters();
  /** How many keys the others were told of. */
  keys = 0;
  /** How many requests they weren't told of yet. */
  #untold = 0;
  /** What its clock is ahead of the others', in ms. */
  #clockMs: number;
  #told = Promise.withResolvers<void>();

  /** @param timeoutMs long, where Redis is only slow on a busy machine */
  constructor(redis: PrivateServer, clockMs = 0, timeoutMs = 20_000) {
    this.#clockMs = clockMs;
    const options = { url: redis.url, appName: "test", nameKey: Buffer.from("key"), timeoutMs };
    this.store = new LimitStore({ ...options, log: pino({ level: "silent" }) });
    const { store } = this;
    const counts = new SharedCounts({
      now: () => this.now,
      store: {
        isClosed: false,
        nameOf: (key) => store.nameOf(key),
        whenConnected: () => store.whenConnected(),
        count: async (requests) => {
          const windows = await store.count(requests);
          this.keys += requests.length;
          setImmediate(() => {
            this.#told.resolve();
            this.#told = Promise.withResolvers();
          });
          return windows;
        },
      },
    });
    this.counters.sharing = counts.of("test");
  }

  get now(): number {
    return performance.now() + this.#clockMs;
  }

  counter(limit: Limit, key = KEY) {
    return this.counters.of(key, limit.windowMs, this.now);
  }

  /** Whether one more is let in. */
  ask(limit: Limit, key = KEY): boolean {
    const counter = this.counter(limit, key);
    const isAllowed = take(counter, limit, this.now);
    this.counters.share(key, counter, limit);
    return isAllowed;
  }

  /** The same, and if the others are to be told of it at once, waits until they are. */
  async askAndTell(limit: Limit): Promise<boolean> {
    const told = this.told();
    const before = this.#untold;
    const isAllowed = this.ask(limit);
    if (isAllowed) this.#untold = before + 1;
    if (this.#untold * 32 < limit.max) return isAllowed;
    await told;
    this.#untold = 0;
    return isAllowed;
  }

  /** Resolves once an exchange has ended that ends from now on. */
  told(): Promise<void> {
    return this.#told.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.close();
  }
}

for (const max of [1, 5, 100, 1000]) {
  test(`three instances let in ${max} together, and each at most a thirty-second more`, async () => {
    await using redis = await PrivateServer.start("redis");
    // Days apart: nobody's clock tells anybody's window.
    await using first = new Instance(redis);
    await using second = new Instance(redis, 5 * 24 * HOUR);
    await using third = new Instance(redis, -3 * 24 * HOUR);
    const limit = { max, windowMs: HOUR };
    const instances = [first, second, third];
    let letIn = 0;
    let asking = instances;
    while (asking.length > 0) {
      const refusing = new Set<Instance>();
      for (const instance of asking) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        if (await instance.askAndTell(limit)) letIn += 1;
        else refusing.add(instance);
      }
      asking = asking.filter((one) => !refusing.has(one));
    }
    expect(letIn).toBeGreaterThanOrEqual(max);
    // With a limit of a few each is told at once, and what is learnt is learnt with the next.
    expect(letIn).toBeLessThanOrEqual(max + 3 * Math.ceil(max / 32));
    for (const instance of instances) {
      const { now } = instance;
      const { remaining, waitMs } = toStanding(instance.counter(limit), limit, now, false);
      expect(remaining).toBe(0);
      expect(waitMs).toBeGreaterThan(HOUR - 120_000);
      const counter = instance.counter(limit);
      // Retry-After is when one is let in, and not before.
      expect(take(counter, limit, now + waitMs - 1.1)).toBe(false);
      expect(take(counter, limit, now + waitMs)).toBe(true);
    }
  });
}

test("who asks for little isn't told of, and who asks for much 32 times a window", async () => {
  await using redis = await PrivateServer.start("redis");
  await using instance = new Instance(redis);
  const limit = { max: 3200, windowMs: HOUR };
  for (let key = 0; key < 1000; key += 1) instance.ask(limit, `10.0.0.${key}`);
  for (let asked = 0; asked < 3200; asked += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await instance.askAndTell(limit)).toBe(true);
  }
  expect(instance.keys).toBeLessThanOrEqual(32);
});

test("what is taken back is taken back for all", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = new Instance(redis);
  await using second = new Instance(redis);
  const limit = { max: 2, windowMs: HOUR };
  await first.askAndTell(limit);
  giveBack(first.counter(limit));
  expect(first.ask(limit)).toBe(true); // the same for the others
  expect(await second.askAndTell(limit)).toBe(true);
  expect(second.ask(limit)).toBe(false);
});

test("each instance counts for itself while Redis is away, and tells what it has counted afterwards", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = new Instance(redis, 0, 250);
  await using second = new Instance(redis, 0, 250);
  await Promise.all([first, second].map(({ store }) => store.whenConnected()));
  const limit = { max: 64, windowMs: HOUR };
  redis.freeze();
  for (const instance of [first, second]) {
    const told = instance.told();
    expect(instance.ask(limit)).toBe(true);
    expect(instance.ask(limit)).toBe(true);
    // oxlint-disable-next-line no-await-in-loop
    await told; // in vain
    for (let asked = 2; asked < 64; asked += 1) expect(instance.ask(limit)).toBe(true);
    expect(instance.ask(limit)).toBe(false);
  }
  await using third = new Instance(redis);
  const told = [first.told(), second.told()];
  redis.thaw();
  await Promise.all(told);
  let letIn = 0;
  // oxlint-disable-next-line no-await-in-loop
  while (await third.askAndTell(limit)) letIn += 1;
  expect(letIn).toBeLessThanOrEqual(2);
  // What one has let in counts there, whatever Redis says that it never was told.
  await redis.kill();
  await redis.restart();
  expect([first.ask(limit), second.ask(limit)]).toEqual([false, false]);
});

test("what others have counted, poisoned or not, lets nobody have more than one instance gives", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = new Instance(redis);
  await using second = new Instance(redis);
  const limit = { max: 32, windowMs: HOUR };
  const { createClient } = await import("redis");
  const client = createClient({ url: redis.url });
  await client.connect();
  let letIn = 0;
  // oxlint-disable-next-line no-await-in-loop -- one after another
  while (await first.askAndTell(limit)) {
    letIn += 1;
    // oxlint-disable-next-line no-await-in-loop
    const [key = ""] = await client.keys("*");
    // oxlint-disable-next-line no-await-in-loop
    await client.set(key, letIn % 2 === 0 ? `${"9".repeat(20)} 9 9` : "x".repeat(1_000_000));
  }
  expect(letIn).toBe(32);
  expect(await second.askAndTell(limit)).toBe(true);
  client.destroy();
});
