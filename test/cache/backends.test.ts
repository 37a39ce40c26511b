import { expect } from "bun:test";
import { BACKENDS, testOnBackends, Work } from "./caches.ts";

testOnBackends(BACKENDS, "get(), set(), has(), delete() and ttl() of a key", async (caches) => {
  const cache = caches.open().namespace("blog", "1");
  expect(await cache.get("a")).toBeUndefined();
  expect([await cache.has("a"), await cache.ttl("a"), await cache.delete("a")]).toEqual([false, null, false]);
  const value = { at: new Date(1), set: new Set([1n]), none: undefined, list: [Number.NaN] };
  await cache.set("a", value, { ttl: 60 });
  expect(await cache.get<typeof value>("a")).toStrictEqual(value);
  expect(await cache.has("a")).toBe(true);
  const ttl = await cache.ttl("a");
  expect(ttl).toBeGreaterThan(50);
  expect(ttl).toBeLessThanOrEqual(60);
  await cache.set("nothing", undefined);
  expect([await cache.get("nothing"), await cache.has("nothing")]).toEqual([undefined, true]);
  expect(await cache.delete("a")).toBe(true);
  expect([await cache.get("a"), await cache.has("a")]).toEqual([undefined, false]);
  await cache.set("for ever", 1, { ttl: Infinity });
  expect(await cache.get<number>("for ever")).toBe(1);
  expect(caches.lines).toEqual([]);
});

testOnBackends(
  BACKENDS,
  "another instance sees what one has set, and what it has deleted",
  async (caches, backend) => {
    if (backend === "memory") return;
    const [a, b] = [caches.open().namespace("blog", "1"), caches.open().namespace("blog", "1")];
    await a.set("key", [1]);
    expect(await b.get<number[]>("key")).toEqual([1]);
    await b.set("key", [2]);
    expect(await b.get<number[]>("key")).toEqual([2]);
    for (let value = 3; value < 100; value++) {
      await b.set("key", [value]);
      expect(await b.get<number[]>("key")).toEqual([value]);
    }
    await b.delete("key");
    expect(await b.get("key")).toBeUndefined();
  },
);

testOnBackends(BACKENDS, "a value is gone after its time", async (caches) => {
  const cache = caches.open().namespace("blog", "1");
  await cache.set("short", 1, { ttl: 0.05 });
  await cache.set("long", 1, { ttl: 60 });
  while ((await cache.get("short")) !== undefined) await Bun.sleep(5);
  expect(await cache.get<number>("long")).toBe(1);
});

testOnBackends(BACKENDS, "any text is a key, and no key is another's", async (caches) => {
  const cache = caches.open().namespace("blog", "1");
  const keys = [
    "a b",
    "a\nb",
    "a\r\nget x",
    "ü\ud83d\ude00",
    "*",
    "?",
    "[a]",
    "a:b",
    "a::b",
    ":",
    "\0",
    " ",
    "__proto__",
    "k".repeat(10_000),
    `${"k".repeat(10_000)}2`,
  ];
  for (const key of keys) await cache.set(key, `value of ${key}`);
  for (const key of keys) expect(await cache.get<string>(key)).toBe(`value of ${key}`);
  for (const key of keys) expect(await cache.delete(key)).toBe(true);
  for (const key of keys) expect(await cache.get(key)).toBeUndefined();
  for (const key of ["", undefined, 1, {}]) {
    expect(() => cache.get(key as string)).toThrow(TypeError);
  }
  expect(caches.lines).toEqual([]);
});

testOnBackends(BACKENDS, "a plugin reaches no key of another, nor of the core", async (caches) => {
  const app = caches.open();
  const [blog, other, core] = [app.namespace("blog", "1"), app.namespace("blog2", "1"), app.core];
  for (const [index, cache] of [blog, other, core].entries()) {
    await cache.set("key", index, { tags: ["tag"] });
    await cache.increment("count", index + 1);
  }
  await blog.invalidateTags(["tag", "blog2:tag", "$core:tag", "../blog2:tag"]);
  expect(await blog.get("key")).toBeUndefined();
  expect([await other.get<number>("key"), await core.get<number>("key")]).toEqual([1, 2]);
  await blog.set("key", 0);
  await other.deletePattern("*");
  expect([await blog.get<number>("key"), await other.get("key"), await core.get<number>("key")]).toEqual([
    0,
    undefined,
    2,
  ]);
  await blog.clear();
  expect([await blog.get("key"), await core.get<number>("key")]).toEqual([undefined, 2]);
  expect(await core.increment("count")).toBe(4);
});

testOnBackends(
  BACKENDS,
  "deletePattern() deletes what matches, and says how many",
  async (caches, backend) => {
    const cache = caches.open().namespace("blog", "1");
    const set = async (): Promise<void> => {
      for (const key of ["users:1", "users:2", "users:2:name", "user", "posts:1", "a:users:1"])
        await cache.set(key, 1);
    };
    const left = async (): Promise<string[]> => {
      const keys = ["users:1", "users:2", "users:2:name", "user", "posts:1", "a:users:1"];
      const there = await Promise.all(keys.map((key) => cache.has(key)));
      return keys.filter((_, index) => there[index]);
    };
    await set();
    expect(await cache.deletePattern("users:*")).toBe(backend === "memcached" ? null : 3);
    expect(await left()).toEqual(["user", "posts:1", "a:users:1"]);
    await set();
    if (backend === "memcached") {
      for (const pattern of ["*:1", "user*", "a:*:1"]) {
        const error = await cache.deletePattern(pattern).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(TypeError);
        expect(String(error)).toContain("Memcached");
      }
    } else {
      expect(await cache.deletePattern("*:1")).toBe(3);
      expect(await left()).toEqual(["users:2", "users:2:name", "user"]);
      expect(await cache.deletePattern("u[s]er*")).toBe(0);
      expect(await cache.deletePattern("u*r")).toBe(1);
    }
    await cache.deletePattern("*");
    expect(await left()).toEqual([]);
  },
);

testOnBackends(BACKENDS, "deletePattern() finds all of many keys", async (caches, backend) => {
  const cache = caches.open({ max_entries: 10_000 }).namespace("blog", "1");
  await Promise.all(Array.from({ length: 3000 }, (_, index) => cache.set(`many:${index}`, index)));
  await cache.set("one", 1);
  expect(await cache.deletePattern("many:*")).toBe(backend === "memcached" ? null : 3000);
  expect([await cache.get("many:0"), await cache.get("many:2999"), await cache.get<number>("one")]).toEqual([
    undefined,
    undefined,
    1,
  ]);
});

testOnBackends(BACKENDS, "increment() counts, however many do", async (caches, backend) => {
  const app = caches.open();
  const cache = app.namespace("blog", "1");
  const others = backend === "memory" ? [cache] : [cache, caches.open().namespace("blog", "1")];
  await Promise.all(
    Array.from({ length: 100 }, (_, index) => (others[index % others.length] ?? cache).increment("hits")),
  );
  expect(await cache.increment("hits", 5)).toBe(105);
  expect(await cache.get<number>("hits")).toBe(105);
  if (backend !== "memcached") expect(await cache.increment("hits", -110)).toBe(-5);
  await cache.set("set", 7);
  expect(await cache.increment("set")).toBe(8);
  await cache.set("text", "x");
  expect(await cache.increment("text")).toBe(1);
  await cache.increment("long", 1, { ttl: 60 });
  // Memcached doesn't say.
  const left = (await cache.ttl("long")) ?? 0;
  if (backend === "memcached") expect(left).toBe(Infinity);
  else expect(Math.ceil(left)).toBe(60);
  await cache.increment("short", 1, { ttl: 0.05 });
  if (backend !== "memcached") while ((await cache.get("short")) !== undefined) await Bun.sleep(5);
  expect(await cache.increment("hits", 0.5).catch((error: unknown) => error)).toBeInstanceOf(TypeError);
});

testOnBackends(
  BACKENDS,
  "lock() lets one work at a time, and says when it waited for too long",
  async (caches, backend) => {
    const caches2 = backend === "memory" ? caches.open() : null;
    const a = (caches2 ?? caches.open()).namespace("blog", "1");
    const b = (caches2 ?? caches.open()).namespace("blog", "1");
    let inside = 0;
    const most: number[] = [];
    const work = async (): Promise<void> => {
      inside += 1;
      most.push(inside);
      await Bun.sleep(1);
      inside -= 1;
    };
    await Promise.all(
      Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? a : b).lock("import", work)),
    );
    expect(most).toEqual(Array(10).fill(1));
    const held = new Work<number>();
    const holding = a.lock("import", held.run);
    await held.called(1);
    const refused = await b.lock("import", () => 1, { wait: 0.05 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "lock_timeout", status: 409 });
    expect(await b.lock("other", () => 2)).toBe(2);
    held.resolve(3);
    expect(await holding).toBe(3);
    expect(await b.lock("import", () => 4)).toBe(4);
    const failure = await b
      .lock("import", () => Promise.reject(new Error("no")))
      .catch((error: unknown) => error);
    expect(failure).toEqual(new Error("no"));
    expect(await a.lock("import", () => 5)).toBe(5);
  },
);

testOnBackends(
  BACKENDS,
  "a value of 10 MB is kept, or is none where the backend can't have it",
  async (caches, backend) => {
    const cache = caches.open().namespace("blog", "1");
    const value = "x".repeat(10_000_000);
    await cache.set("large", "small");
    await cache.set("large", value);
    expect(await cache.get<string>("large")).toBe(backend === "memcached" ? undefined : value);
    await cache.set("small", 1);
    expect(await cache.get<number>("small")).toBe(1);
  },
);

testOnBackends(["memory"], "what was used longest ago makes room", async (caches) => {
  const cache = caches.open({ max_entries: 2, maxSize: 10_000 }).namespace("blog", "1");
  for (const key of ["a", "b"]) await cache.set(key, key);
  await cache.get("a");
  await cache.set("c", "c");
  expect([await cache.get<string>("a"), await cache.get("b"), await cache.get<string>("c")]).toEqual([
    "a",
    undefined,
    "c",
  ]);
  await cache.set("large", "x".repeat(20_000));
  expect(await cache.get("large")).toBeUndefined();
  await cache.set("half", "x".repeat(9_000));
  expect([await cache.get("a"), (await cache.get<string>("half"))?.length]).toEqual([undefined, 9000]);
});

testOnBackends(BACKENDS, "stats() and clear() of the whole cache", async (caches, backend) => {
  const app = caches.open();
  const cache = app.namespace("blog", "1");
  await cache.set("a", 1);
  await cache.get("a");
  await cache.get("b");
  expect(await app.stats()).toMatchObject({ backend, available: true, hits: 1, misses: 1, stale_hits: 0 });
  expect(await app.clear("blog:*")).toBe(backend === "memcached" ? null : 1);
  expect(await cache.get("a")).toBeUndefined();
});
