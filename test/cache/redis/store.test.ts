import { expect } from "bun:test";
import { RedisConnection } from "../../../src/cache/redis/connection.ts";
import { LEASE_MS } from "../../../src/cache/redis/lease.ts";
import { TrackingWatch } from "../../../src/cache/redis/tracking-watch.ts";
import { TestCaches, Work } from "../caches.ts";
import { testWithProgram } from "../../programs.ts";

const TIMEOUT_MS = 250;
const SLACK_MS = 2000; // other tests run beside it

const test = (name: string, run: (caches: TestCaches) => Promise<void>, timeoutMs = TIMEOUT_MS): void =>
  testWithProgram("redis-server", name, async () => {
    await using caches = await TestCaches.start("redis", timeoutMs);
    await run(caches);
  });

const open = (caches: TestCaches) => caches.open().namespace("blog", "1");

/** A client that writes what it likes. */
async function send(caches: TestCaches, ...command: string[]): Promise<unknown> {
  const redis = new RedisConnection({
    url: caches.server?.url ?? "",
    name: "other",
    log: caches.log,
    timeoutMs: 10_000,
  });
  try {
    return await redis.run((client) => client.sendCommand(command));
  } finally {
    redis.close();
  }
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const startedAt = performance.now();
  const result = await work();
  return { result, ms: performance.now() - startedAt };
}

test("what others have written into Redis is a miss, and is replaced", async (caches) => {
  const cache = open(caches);
  await cache.set("key", 1);
  for (const poison of ["", "{}", "\u0001[]\nj1", "\u0002x", "�\u0000", "[".repeat(100_000)]) {
    await send(caches, "SET", "test:cache:e:blog:key", poison);
    while ((await cache.get("key")) !== undefined) await Bun.sleep(1);
    expect(await cache.getOrSet("key", () => "made")).toBe("made");
    expect(await cache.get<string>("key")).toBe("made");
  }
  await send(caches, "DEL", "test:cache:e:blog:key");
  await send(caches, "LPUSH", "test:cache:e:blog:key", "a list");
  while ((await cache.get("key")) !== undefined) await Bun.sleep(1);
  expect(await cache.getOrSet("key", () => "made")).toBe("made");
  expect(await cache.get<string>("key")).toBe("made");
  for (const command of [
    ["SET", "text"],
    ["SET", "9223372036854775807"],
    ["SET", "9".repeat(1000)],
    ["LPUSH", "a list"],
  ] as const) {
    await send(caches, "DEL", "test:cache:e:blog:key");
    await send(caches, command[0], "test:cache:e:blog:key", command[1]);
    expect([await cache.increment("key"), await cache.increment("key")]).toEqual([1, 2]);
  }
  expect(await cache.delete("key")).toBe(true);
  await send(caches, "SET", "test:cache:m:blog:tag", "\u0000");
  await cache.set("tagged", 1, { tags: ["tag"] });
  expect(await cache.get<number>("tagged")).toBe(1);
}, 120_000);

test("a value that was read is had without Redis until it changes there", async (caches) => {
  const cache = open(caches);
  await cache.set("key", { a: 1 });
  await cache.get("key");
  const before = await cache.get("key");
  expect(before).toEqual({ a: 1 });
  const calls = async (): Promise<number> =>
    Number(/cmdstat_get:calls=(\d+)/.exec(String(await send(caches, "INFO", "commandstats")))?.[1]);
  const asked = await calls();
  for (let index = 0; index < 1000; index++) expect(await cache.get("key")).toBe(before);
  expect((await calls()) - asked).toBeLessThan(10); // those of the watch
  await open(caches).set("key", { a: 2 });
  while ((await cache.get<{ a: number }>("key"))?.a !== 2) await Bun.sleep(1);
  await send(caches, "FLUSHALL");
  while ((await cache.get("key")) !== undefined) await Bun.sleep(1);
}, 120_000);

test("a connection that no longer tells what changes is noticed and replaced", async (caches) => {
  const url = caches.server?.url ?? "";
  const redis = new RedisConnection({
    url,
    name: "watched",
    log: caches.log,
    tracksReads: true,
    timeoutMs: 10_000,
  });
  const watch = new TrackingWatch(redis, "watch", { beatMs: 10, lateMs: 500 });
  const lost = new Promise<void>((resolve) => void redis.onLoss(resolve));
  await redis.run((client) => client.sendCommand(["CLIENT", "TRACKING", "OFF"]));
  watch.start();
  await lost;
  await redis.whenConnected();
  const changed = new Promise((resolve) => void redis.onInvalidate(resolve));
  await redis.run((client) => client.get("key"));
  await send(caches, "SET", "key", "1");
  await changed;
  watch.close();
  redis.close();
  expect(caches.lines.map(({ msg }) => msg)).toEqual([
    "Redis is away: it doesn't tell what changes; trying again",
    "Redis is back",
  ]);
}, 120_000);

for (const fault of ["frozen", "killed"] as const) {
  test(`while Redis is ${fault} everything is a miss within its time, then at once, and works when it is back`, async (caches) => {
    const cache = open(caches);
    let calls = 0;
    const count = cache.cached(() => ++calls, { tags: ["counts"] });
    expect([await count(), await count()]).toEqual([1, 1]);
    await cache.set("key", "old");
    if (fault === "frozen") caches.server?.freeze();
    else await caches.server?.kill();
    const first = await timed(() => Promise.all(Array.from({ length: 50 }, () => cache.get("missing"))));
    expect(first.ms).toBeLessThan(TIMEOUT_MS + SLACK_MS);
    const next = await timed(async () => [
      await cache.get("key"),
      await cache.set("key", 1),
      await cache.has("key"),
      await cache.ttl("key"),
      await cache.delete("key"),
      await cache.deletePattern("k*"),
      await cache.getOrSet("key", () => "made"),
      await cache.increment("count"),
      await cache.invalidateTags(["counts"]),
      await count(),
      await cache.clear(),
    ]);
    expect(next.ms).toBeLessThan(SLACK_MS);
    expect(next.result).toEqual([
      undefined,
      undefined,
      false,
      null,
      false,
      0,
      "made",
      1,
      undefined,
      2,
      undefined,
    ]);
    const locked = await cache.lock("x", () => 1).catch((error: unknown) => error);
    expect(locked).toMatchObject({ code: "redis_unavailable", status: 503 });
    expect(caches.lines.map(({ msg }) => msg.slice(0, 15))).toEqual(["Redis is away: "]);
    if (fault === "frozen") caches.server?.thaw();
    else await caches.server?.restart();
    while (caches.lines.length < 2) await Bun.sleep(5);
    expect(caches.lines[1]?.msg).toBe("Redis is back");
    expect(await cache.get("key")).toBeUndefined(); // it was deleted meanwhile
    const made = await count();
    expect([made, await count()]).toEqual([made, made]);
    expect(made).toBeGreaterThan(1);
    expect(caches.lines).toHaveLength(2);
  });
}

test("what is invalidated while Redis is away stays so when it is back", async (caches) => {
  const app = caches.open();
  const cache = app.namespace("blog", "1");
  const set = async (): Promise<void> => {
    await cache.set("tagged", "old", { tags: ["tag"] });
    await cache.set("deleted", "old");
    await cache.set("matching:1", "old");
    await cache.set("kept", "kept");
  };
  await set();
  caches.server?.freeze();
  await cache.get("missing");
  await cache.invalidateTags(["tag"]);
  await cache.delete("deleted");
  await cache.deletePattern("matching:*");
  caches.server?.thaw();
  while (caches.lines.length < 2) await Bun.sleep(5);
  const other = open(caches);
  expect(
    await Promise.all(["tagged", "deleted", "matching:1", "kept"].map((key) => other.get<string>(key))),
  ).toEqual([undefined, undefined, undefined, "kept"]);
});

test("within its grace an old value is used at once while Redis is away, and made anew meanwhile", async (caches) => {
  const cache = open(caches);
  const work = new Work<string>();
  const make = cache.cached(work.run, { grace: 60 });
  const first = make();
  await work.called(1);
  work.resolve("old");
  expect(await first).toBe("old");
  expect(await make()).toBe("old");
  caches.server?.freeze();
  await cache.get("missing"); // by now it is known
  const { result, ms } = await timed(() => make());
  expect(result).toBe("old");
  expect(ms).toBeLessThan(SLACK_MS);
  await work.called(2);
  work.resolve("new");
  while ((await make()) !== "new") await Bun.sleep(1);
  work.reject(new Error("no"));
  expect(await make()).toBe("new");
  caches.server?.thaw();
});

test("a right to make a value that was granted to nobody holds others up for a moment only", async (caches) => {
  const cache = open(caches);
  await cache.get("first");
  for (const command of [
    ["SET", "test:cache:l:blog:key", "nobody's", "PX", String(LEASE_MS)],
    ["SET", "test:cache:l:blog:key", "for ever"],
    ["LPUSH", "test:cache:l:blog:key", "a list"],
  ]) {
    await cache.delete("key");
    await send(caches, ...command);
    const { result, ms } = await timed(() => cache.getOrSet("key", () => "made"));
    expect(result).toBe("made");
    expect(ms).toBeLessThan(LEASE_MS + 2 * SLACK_MS);
  }
});

test("a right to make a value whose answer comes too late ends by itself", async (caches) => {
  const cache = open(caches);
  await cache.set("key", 1, { ttl: 0.01 });
  caches.server?.freeze();
  // What is carried for long keeps the connection, on which the answer comes after all.
  const carried = cache.set("large", "x".repeat(30_000_000));
  expect(await cache.getOrSet("key", () => "made")).toBe("made");
  caches.server?.thaw();
  await carried;
  while ((await send(caches, "EXISTS", "test:cache:l:blog:key")) === 1) await Bun.sleep(50);
  expect(await open(caches).getOrSet("key", () => "other")).toBe("other");
});

test("under load, nobody gets an error while Redis is frozen, killed and started", async (caches) => {
  const cache = open(caches);
  const make = cache.cached((id: number) => Promise.resolve(id), { tags: ["all"] });
  let isOver = false;
  let longestMs = 0;
  let calls = 0;
  const load = async (worker: number): Promise<void> => {
    for (let id = worker; !isOver; id += 20) {
      const { result, ms } = await timed(() => make(id % 50));
      expect(result).toBe(id % 50);
      longestMs = Math.max(longestMs, ms);
      calls += 1;
      if (id % 7 === 0) await cache.invalidateTags(["all"]);
      await new Promise(setImmediate);
    }
  };
  const lines = async (count: number): Promise<void> => {
    while (caches.lines.length < count) await Bun.sleep(5);
  };
  const workers = Array.from({ length: 20 }, (_, index) => load(index));
  caches.server?.freeze();
  await lines(1);
  caches.server?.thaw();
  await lines(2);
  await caches.server?.kill();
  await lines(3);
  await caches.server?.restart();
  await lines(4);
  isOver = true;
  await Promise.all(workers);
  expect(calls).toBeGreaterThan(100);
  // A call may ask twice, for the value and for the right to make it, and that may have been granted to nobody.
  expect(longestMs).toBeLessThan(2 * TIMEOUT_MS + LEASE_MS + 2 * SLACK_MS);
  expect(caches.lines.map(({ level }) => level)).toEqual([40, 30, 40, 30]);
});

test("Redis that is full is said once, and is a cache without anything in it", async (caches) => {
  const cache = open(caches);
  await cache.set("before", 1);
  await send(caches, "CONFIG", "SET", "maxmemory", "1");
  expect(await cache.getOrSet("a", () => 1)).toBe(1);
  await cache.set("b", 1);
  await cache.invalidateTags(["tag"]);
  expect(await cache.get("b")).toBeUndefined();
  expect(caches.lines.map(({ msg }) => msg)).toEqual([
    "Redis refuses what the cache asks for: it goes without",
  ]);
  await send(caches, "CONFIG", "SET", "maxmemory", "0");
  await cache.set("b", 1);
  expect(await cache.get<number>("b")).toBe(1);
}, 120_000);
