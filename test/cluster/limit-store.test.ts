import { expect } from "bun:test";
import pino from "pino";
import { createClient, type RedisClientType } from "redis";
import { LimitStore, type Requests } from "../../src/cluster/limit-store.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { testWithProgram } from "../programs.ts";

const test = (name: string, run: () => Promise<void>): void => testWithProgram("redis-server", name, run);

const MINUTE = 60_000;
const RULES = { limit: 3, windowMs: MINUTE };

/** A Redis with a store, and a client as somebody who shares the Redis has one. */
class Shared implements AsyncDisposable {
  readonly redis: PrivateServer;
  readonly client: RedisClientType;
  readonly store: LimitStore;
  readonly lines: string[] = [];

  private constructor(redis: PrivateServer, client: RedisClientType, timeoutMs: number) {
    this.redis = redis;
    this.client = client;
    this.store = this.open("key", timeoutMs);
  }

  /** @param timeoutMs long, where Redis is only slow on a busy machine */
  static async start(timeoutMs = 20_000): Promise<Shared> {
    const redis = await PrivateServer.start("redis");
    const client: RedisClientType = createClient({ url: redis.url, RESP: 3 });
    client.on("error", () => {});
    await client.connect();
    return new Shared(redis, client, timeoutMs);
  }

  open(nameKey = "key", timeoutMs = 20_000): LimitStore {
    const write = (line: string): void => void this.lines.push((JSON.parse(line) as { msg: string }).msg);
    return new LimitStore({
      url: this.redis.url,
      appName: "test",
      nameKey: Buffer.from(nameKey),
      timeoutMs,
      log: pino({}, { write }),
    });
  }

  /** Counts requests of one key; returns what all have counted. */
  async count(count: number, asked: Partial<Requests> = {}) {
    const name = this.store.nameOf("a");
    const windows = await this.store.count([{ name, windowMs: MINUTE, count, most: 1000, ...asked }]);
    return windows?.[0] ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.close();
    this.client.destroy();
    await this.redis[Symbol.asyncDispose]();
  }
}

const POISON = [
  "",
  "nonsense",
  "1 2",
  "-1 -1 -1",
  "1 99999 0",
  "9".repeat(60),
  `${"9".repeat(20)} 9 9`,
  `${"9".repeat(20)} ${"9".repeat(20)} ${"9".repeat(20)}`,
  "1e3 1e3 1e3",
  " ",
  "0x10 0x10 0x10",
  "1 ".repeat(500),
  "nan inf nan",
  "\0".repeat(100),
  "7".repeat(10_000_000),
];

test("LimitStore.count() adds what instances count, and keys end by themselves", async () => {
  await using shared = await Shared.start();
  await using other = { store: shared.open(), [Symbol.asyncDispose]: async () => other.store.close() };
  expect(await shared.count(3)).toEqual({ ageMs: 0, count: 3, before: 0 });
  const name = other.store.nameOf("a");
  const asked = [
    { name, windowMs: MINUTE, count: 4, most: 1000 },
    { name: other.store.nameOf("b"), windowMs: 0.5, count: 1, most: 1000 },
  ];
  expect(await other.store.count(asked)).toMatchObject([{ count: 7 }, { count: 1 }]);
  expect(await shared.count(-2)).toMatchObject({ count: 5, before: 0 });
  expect(await shared.count(-9)).toMatchObject({ count: 0 });
  const keys = await shared.client.keys("*");
  expect(keys).toContain(name);
  const ttl = await shared.client.pTTL(name);
  expect(ttl).toBeGreaterThan(MINUTE);
  expect(ttl).toBeLessThanOrEqual(2 * MINUTE);
});

test("LimitStore.count() goes from window to window by the clock of Redis", async () => {
  await using shared = await Shared.start();
  const { client, store } = shared;
  const name = store.nameOf("a");
  const setStart = async (agoMs: number, rest: string): Promise<void> => {
    const [seconds, micros] = (await client.sendCommand(["TIME"])) as unknown as [string, string];
    const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    await client.set(name, `${now - agoMs} ${rest}`);
  };
  await setStart(MINUTE + 10_000, "5 3");
  const next = await shared.count(1);
  expect(next).toMatchObject({ count: 1, before: 5 });
  expect(next?.ageMs).toBeGreaterThanOrEqual(10_000);
  expect(next?.ageMs).toBeLessThan(MINUTE);
  await setStart(2 * MINUTE, "5 3");
  expect(await shared.count(1)).toEqual({ ageMs: 0, count: 1, before: 0 });
  // The clock of Redis went back.
  await setStart(-5000, "5 3");
  expect(await shared.count(1)).toEqual({ ageMs: 0, count: 1, before: 0 });
});

test("LimitStore counts anew what is poisoned, and it is mended", async () => {
  await using shared = await Shared.start();
  const { client, store } = shared;
  const name = store.nameOf("a");
  const poisons = [
    ...POISON.map((text) => () => client.set(name, text)),
    () => client.lPush(name, ["1", "2"]),
    () => client.hSet(name, { a: "1" }),
    () => client.xAdd(name, "*", { a: "1" }),
  ];
  for (const poison of poisons) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await client.del(name);
    // oxlint-disable-next-line no-await-in-loop
    await poison();
    // oxlint-disable-next-line no-await-in-loop
    expect(await shared.count(2)).toMatchObject({ count: 2, before: 0 });
    // oxlint-disable-next-line no-await-in-loop
    expect(await shared.count(1)).toMatchObject({ count: 3, before: 0 });
    // oxlint-disable-next-line no-await-in-loop
    expect(await client.pTTL(name)).toBeLessThanOrEqual(2 * MINUTE);
    // oxlint-disable-next-line no-await-in-loop
    await client.del(name);
    // oxlint-disable-next-line no-await-in-loop
    await poison();
    const waits = [];
    // oxlint-disable-next-line no-await-in-loop
    for (let n = 0; n < 4; n += 1) waits.push(await store.take(name, RULES));
    expect(waits.filter((ms) => ms === 0).length).toBeGreaterThanOrEqual(1);
    expect(waits[3]).toBeGreaterThan(0);
    expect(waits[3]).toBeLessThanOrEqual(MINUTE);
    // oxlint-disable-next-line no-await-in-loop
    await poison().catch(() => {});
    // oxlint-disable-next-line no-await-in-loop
    await store.giveBack(name);
    // oxlint-disable-next-line no-await-in-loop
    expect(await store.take(name, RULES)).toBeLessThanOrEqual(MINUTE);
  }
  expect(shared.lines).toEqual([]);
});

test("LimitStore.take() counts attempts of all, lets go on what is taken back, and says how long to wait", async () => {
  await using shared = await Shared.start();
  await using other = { store: shared.open(), [Symbol.asyncDispose]: async () => other.store.close() };
  const name = shared.store.nameOf("a");
  const stores = [shared.store, other.store, shared.store, other.store];
  const waits = await Promise.all(stores.map((store) => store.take(name, RULES)));
  expect(waits.filter((ms) => ms === 0)).toHaveLength(3);
  const [wait = 0] = waits.filter((ms) => ms !== 0);
  expect(wait).toBeGreaterThan(MINUTE / 2);
  expect(wait).toBeLessThanOrEqual(MINUTE);
  await other.store.giveBack(name);
  expect(await shared.store.take(name, RULES)).toBe(0);
  expect(await other.store.take(name, RULES)).toBeGreaterThan(0);
  const ttl = await shared.client.pTTL(name);
  expect(ttl).toBeGreaterThan(0);
  expect(ttl).toBeLessThanOrEqual(MINUTE);
});

test("LimitStore has names that tell nothing, another for each application's secret", async () => {
  await using shared = await Shared.start();
  await using other = { store: shared.open("other"), [Symbol.asyncDispose]: async () => other.store.close() };
  const names = [shared.store, other.store].flatMap((one) =>
    ["192.0.2.1", "x".repeat(9000)].map((key) => one.nameOf(key)),
  );
  expect(new Set(names).size).toBe(4);
  for (const name of names) expect(name).toMatch(/^\{test:limits\}:[\w-]{24}$/);
});

test("LimitStore says nothing while Redis is away, and once that Redis refuses", async () => {
  await using shared = await Shared.start(250);
  const { client, redis, store, lines } = shared;
  await client.configSet("maxmemory", "1");
  expect([await shared.count(1), await shared.count(1), await store.take("a", RULES)]).toEqual([
    null,
    null,
    null,
  ]);
  expect(lines).toEqual(["Redis refuses to count for the limits: each instance counts for itself"]);
  await client.configSet("maxmemory", "0");
  expect(await shared.count(1)).toMatchObject({ count: 1 });
  redis.freeze();
  expect([await shared.count(1), await store.take("a", RULES)]).toEqual([null, null]);
  redis.thaw();
  await store.whenConnected();
  expect(await store.take("a", RULES)).toBe(0);
  await redis.kill();
  expect(await store.take("a", RULES)).toBeNull();
  await redis.restart();
  await store.whenConnected();
  expect(await shared.count(1)).not.toBeNull();
});
