import { expect } from "bun:test";
import { createClient } from "redis";
import pino from "pino";
import { ChangeFeed, type ChangeFeedOptions } from "../../src/cluster/change-feed.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { TcpProxy } from "../faults/tcp-proxy.ts";
import { testWithProgram } from "../programs.ts";

const test = (name: string, run: () => Promise<void>): void => testWithProgram("redis-server", name, run);

const RESET = "reset";

/** One of several instances, with what it has been told of. */
class Instance implements AsyncDisposable {
  readonly feed: ChangeFeed;
  readonly lines: string[] = [];
  readonly told: unknown[] = [];
  #wake = Promise.withResolvers<void>();

  private constructor(url: string, options: Partial<ChangeFeedOptions>) {
    const write = (line: string): void => {
      this.lines.push((JSON.parse(line) as { msg: string }).msg);
      this.#goOn();
    };
    const log = pino({}, { write });
    this.feed = new ChangeFeed({ url, appName: "test", log, ...options });
    this.feed.follow("topic", { onChange: (data) => this.#note(data), onReset: () => this.#note(RESET) });
  }

  /** Resolves once it follows what others publish. */
  static async start(url: string, options: Partial<ChangeFeedOptions> = {}): Promise<Instance> {
    const instance = new Instance(url, options);
    await instance.feed.start();
    expect(instance.told.splice(0)).toEqual([RESET]);
    return instance;
  }

  publish(...changes: unknown[]): void {
    for (const change of changes) this.feed.publish("topic", change);
  }

  /** Resolves once it has been told of it. */
  toldOf(change: unknown): Promise<void> {
    return this.#until(() => this.told.some((one) => Bun.deepEquals(one, change)));
  }

  /** Resolves once its log says so. */
  said(text: string): Promise<void> {
    return this.#until(() => this.lines.some((line) => line.includes(text)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.feed.close();
  }

  #note(change: unknown): void {
    this.told.push(change);
    this.#goOn();
  }

  async #until(isTrue: () => boolean): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop
    while (!isTrue()) await this.#wake.promise;
  }

  #goOn(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** Runs one command, as somebody who shares the Redis would. */
async function command(url: string, ...args: string[]): Promise<unknown> {
  const client = createClient({ url });
  await client.connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

test("ChangeFeed tells all other instances of a change, in order and once", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  await using third = await Instance.start(redis.url);
  first.publish(...numbers(1000), { a: [null, "é"] });
  await Promise.all([second, third].map((one) => one.toldOf({ a: [null, "é"] })));
  for (const { told } of [second, third]) expect(told).toEqual([...numbers(1000), { a: [null, "é"] }]);
  third.publish("back");
  await first.toldOf("back");
  expect(first.told).toEqual(["back"]);
});

test("ChangeFeed tells within milliseconds", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  const took: number[] = [];
  for (const n of numbers(20)) {
    const startedAt = performance.now();
    first.publish(n);
    // oxlint-disable-next-line no-await-in-loop
    await second.toldOf(n);
    took.push(performance.now() - startedAt);
  }
  expect(took.toSorted((a, b) => a - b)[10]).toBeLessThan(50);
});

test("ChangeFeed keeps apart what other applications publish in the same Redis", async () => {
  await using redis = await PrivateServer.start("redis");
  await using other = await Instance.start(redis.url, { appName: "other" });
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  other.publish("other");
  first.publish("own");
  await second.toldOf("own");
  expect(second.told).toEqual(["own"]);
});

test("ChangeFeed reads on where it was, after its connection was lost", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  for (const n of numbers(5)) {
    // oxlint-disable-next-line no-await-in-loop
    await command(redis.url, "CLIENT", "KILL", "TYPE", "normal");
    first.publish(n);
    // oxlint-disable-next-line no-await-in-loop
    await second.toldOf(n);
  }
  expect(second.told).toEqual(numbers(5));
});

test("ChangeFeed notices within 5 s that its connection is dead, and repairs it", async () => {
  await using redis = await PrivateServer.start("redis");
  await using proxy = await TcpProxy.before(redis.url);
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(proxy.through(redis.url));
  proxy.vanish({ alsoNew: true });
  first.publish("missed");
  const startedAt = performance.now();
  await second.said("is away");
  expect(performance.now() - startedAt).toBeLessThan(5000);
  proxy.appear();
  await second.toldOf("missed");
  expect(second.told).toEqual(["missed"]);
});

test("ChangeFeed sends what was published while Redis was frozen or stopped, once", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  redis.freeze();
  first.publish("frozen");
  await first.said("is away"); // sent, as far as it knows not taken, and sent again
  redis.thaw();
  await second.toldOf("frozen");
  await redis.kill();
  first.publish("stopped");
  second.publish("as well");
  await redis.restart();
  await Promise.all([second.toldOf("stopped"), first.toldOf("as well")]);
  first.publish("last");
  await second.toldOf("last");
  // Redis may have lost what it had, for it was killed.
  expect(second.told.filter((one) => one !== RESET)).toEqual(["frozen", "stopped", "last"]);
});

test("ChangeFeed has all loaded anew once Redis has lost its data", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  first.publish("before");
  await second.toldOf("before");
  await command(redis.url, "FLUSHALL");
  // Nobody publishes anything: silence is looked into.
  await Promise.all([first.toldOf(RESET), second.toldOf(RESET)]);
  first.publish("after");
  await second.toldOf("after");
  expect(second.told).toEqual(["before", RESET, "after"]);
});

test("ChangeFeed has all loaded anew where a change comes right after the loss", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  first.publish("before");
  await second.toldOf("before");
  await command(redis.url, "FLUSHALL");
  first.publish("after");
  await second.toldOf("after");
  expect(second.told).toEqual(["before", RESET, "after"]);
});

test("ChangeFeed has all loaded anew where what it missed was trimmed", async () => {
  await using redis = await PrivateServer.start("redis");
  await using proxy = await TcpProxy.before(redis.url);
  await using first = await Instance.start(redis.url, { maxLength: 1 });
  await using second = await Instance.start(proxy.through(redis.url));
  await proxy.cut();
  first.publish(...numbers(1000));
  await using third = await Instance.start(redis.url);
  first.publish("sent");
  await third.toldOf("sent");
  await proxy.listen();
  await second.toldOf("sent");
  expect(second.told[0]).toBe(RESET);
});

test("ChangeFeed gives up what is too much to keep, and has all loaded anew", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url, { maxUnsentBytes: 1000 });
  await using second = await Instance.start(redis.url);
  await redis.kill();
  first.publish(...numbers(100), "last");
  await redis.restart();
  await second.toldOf("last");
  expect(second.told).toContain(RESET);
  expect(second.told.indexOf(RESET)).toBeLessThan(second.told.indexOf("last"));
});

test("ChangeFeed takes what can't be read for anything, and goes on", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  for (const fields of [
    ["x", "y"],
    ["epoch", "?", "number", "-1", "text", "{"],
    ["number", "1", "text", "[1]"],
  ]) {
    // oxlint-disable-next-line no-await-in-loop
    await command(redis.url, "XADD", "{test:changes}", "*", ...fields);
  }
  first.publish("after");
  await second.toldOf("after");
  expect(second.told.filter((one) => one !== RESET)).toEqual(["after"]);
  expect(second.told).toContain(RESET);
});

test("ChangeFeed numbers changes anew where what stands in Redis can't be their number", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  for (const count of ["nan", "inf", "1e308", "-5", "1.5", "text"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await command(redis.url, "HSET", "{test:changes}:head", "count", count);
    first.publish(`after ${count}`);
    // oxlint-disable-next-line no-await-in-loop
    await second.toldOf(`after ${count}`);
    first.publish(`behind ${count}`);
    // oxlint-disable-next-line no-await-in-loop
    await second.toldOf(`behind ${count}`);
    expect(second.told.slice(-2)).toEqual([`after ${count}`, `behind ${count}`]);
    // oxlint-disable-next-line no-await-in-loop
    expect(await command(redis.url, "HGET", "{test:changes}:head", "count")).toBe("2");
  }
});

test("ChangeFeed waits for a key that is something else to go, and says so once", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  await using second = await Instance.start(redis.url);
  await command(redis.url, "SET", "{test:changes}", "text");
  first.publish("kept");
  await first.said("can't be published");
  await command(redis.url, "DEL", "{test:changes}");
  await second.toldOf("kept");
  expect(first.lines.filter((line) => line.includes("can't be published"))).toHaveLength(1);
});

test("ChangeFeed refuses a change of more than 64 KiB", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await Instance.start(redis.url);
  expect(() => first.publish("x".repeat(70_000))).toThrow(RangeError);
});

test("ChangeFeed starts, and ends, while Redis is away", async () => {
  await using redis = await PrivateServer.start("redis");
  await redis.kill();
  const feed = new ChangeFeed({ url: redis.url, appName: "test", log: pino({ level: "silent" }) });
  void feed.start();
  feed.publish("topic", 1);
  await feed.close();
});
