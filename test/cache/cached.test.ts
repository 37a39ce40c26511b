import { AsyncLocalStorage } from "node:async_hooks";
import { expect } from "bun:test";
import { BACKENDS, type TestCaches, testOnBackends, Work } from "./caches.ts";

const open = (caches: TestCaches) => caches.open().namespace("blog", "1");
const caught = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

testOnBackends(
  BACKENDS,
  "cached() runs a function once for its arguments, until it is invalidated",
  async (caches) => {
    const cache = open(caches);
    const calls: unknown[] = [];
    const add = cache.cached((a: number, b: { c: number }) => {
      calls.push([a, b]);
      return a + b.c;
    });
    expect([await add(1, { c: 2 }), await add(1, { c: 2 }), await add(1, { c: 3 })]).toEqual([3, 3, 4]);
    expect(calls).toEqual([
      [1, { c: 2 }],
      [1, { c: 3 }],
    ]);
    await add.invalidate(1, { c: 2 });
    expect([await add(1, { c: 2 }), await add(1, { c: 3 })]).toEqual([3, 4]);
    expect(calls).toHaveLength(3);
    const nothing = cache.cached(() => void calls.push("nothing"));
    expect([await nothing(), await nothing()]).toEqual([undefined, undefined]);
    expect(calls).toHaveLength(4);
  },
);

testOnBackends(BACKENDS, "1,000 calls at once run the function once", async (caches) => {
  const work = new Work<string>();
  const slow = open(caches).cached(work.run);
  const answers = Array.from({ length: 1000 }, () => slow());
  await work.called(1);
  work.resolve("made");
  expect(new Set(await Promise.all(answers))).toEqual(new Set(["made"]));
  expect(work.calls).toBe(1);
});

testOnBackends(["redis"], "1,000 calls at once on three instances run the function once", async (caches) => {
  const work = new Work<string>();
  const instances = [open(caches), open(caches), open(caches)].map((cache) => cache.cached(work.run));
  const answers = Array.from({ length: 1000 }, (_, index) =>
    (instances[index % 3] as () => Promise<string>)(),
  );
  await work.called(1);
  await Bun.sleep(100); // the others ask meanwhile
  work.resolve("made");
  expect(new Set(await Promise.all(answers))).toEqual(new Set(["made"]));
  expect(work.calls).toBe(1);
});

testOnBackends(BACKENDS, "errors aren't cached, and reach all who wait", async (caches) => {
  const work = new Work<number>();
  const cache = open(caches);
  const slow = cache.cached(work.run);
  const answers = [slow(), slow()];
  await work.called(1);
  work.reject(new Error("no"));
  expect(await Promise.all(answers.map(caught))).toEqual([new Error("no"), new Error("no")]);
  const next = slow();
  await work.called(2);
  work.resolve(1);
  expect(await next).toBe(1);
  const throwing = cache.cached(() => {
    throw new Error("at once");
  });
  expect(await caught(throwing())).toEqual(new Error("at once"));
});

testOnBackends(BACKENDS, "a value that can't be cached is given out, and made each time", async (caches) => {
  let calls = 0;
  const make = open(caches).cached(() => ({ call: ++calls, close() {} }));
  expect([(await make()).call, (await make()).call]).toEqual([1, 2]);
  expect(caches.lines.map(({ msg }) => msg)).toContain("a value can't be cached: it is made each time");
});

testOnBackends(BACKENDS, "within its grace an old value is used when the function throws", async (caches) => {
  let fails = false;
  const make = open(caches).cached(
    () => {
      if (fails) throw new Error("no");
      return "old";
    },
    { ttl: 0.02, grace: 60 },
  );
  expect(await make()).toBe("old");
  fails = true;
  await Bun.sleep(30); // past its time
  expect(await make()).toBe("old");
  await make.invalidate();
  expect(await caught(make())).toEqual(new Error("no"));
});

testOnBackends(
  BACKENDS,
  "an old value is used when the function is late, and the new one once it is there",
  async (caches) => {
    const work = new Work<string>();
    const make = open(caches).cached(work.run, { ttl: 0.5, grace: 60, softTimeout: 0.02 });
    const first = make();
    await work.called(1);
    work.resolve("old");
    expect(await first).toBe("old");
    await Bun.sleep(510); // past its time
    expect(await make()).toBe("old");
    await work.called(2);
    work.resolve("new");
    while ((await make()) === "old") await Bun.sleep(1);
    expect(await make()).toBe("new");
  },
);

testOnBackends(
  BACKENDS,
  "times longer than a timer can wait are no limit, and none to a ttl",
  async (caches) => {
    const cache = open(caches);
    for (const seconds of [1e8, 1e300, Infinity]) {
      const work = new Work<number>();
      const make = cache.cached(work.run, { ttl: seconds, softTimeout: seconds, hardTimeout: seconds });
      const making = make();
      await work.called(1);
      await Bun.sleep(5); // a timer that can't wait is over by then
      work.resolve(1);
      expect(await making).toBe(1);
      expect(await make()).toBe(1);
      expect(work.calls).toBe(1);
      expect(await cache.increment(`count-${seconds}`, 1, { ttl: seconds })).toBe(1);
      expect(await cache.increment(`count-${seconds}`, 1, { ttl: seconds })).toBe(2);
    }
  },
);

testOnBackends(BACKENDS, "hardTimeout ends the wait, not the work", async (caches) => {
  const work = new Work<string>();
  const make = open(caches).cached(work.run, { hardTimeout: 0.05 });
  const error = await caught(make());
  expect(error).toMatchObject({ code: "cache_timeout", status: 503 });
  await work.called(1);
  work.resolve("made");
  while (typeof (await caught(make())) !== "string") await Bun.sleep(1);
  expect([await make(), work.calls]).toEqual(["made", 1]);
});

testOnBackends(BACKENDS, "eagerRefresh makes a value anew before its time is over", async (caches) => {
  let calls = 0;
  const make = open(caches).cached(() => ++calls, { ttl: 60, eagerRefresh: 0.001 });
  expect(await make()).toBe(1);
  await Bun.sleep(70);
  expect(await make()).toBe(1);
  while ((await make()) === 1) await Bun.sleep(1);
});

testOnBackends(BACKENDS, "whoever gives up waiting takes nothing from the others", async (caches) => {
  const work = new Work<string>();
  const cache = open(caches);
  const abort = new AbortController();
  const given = cache.getOrSet("key", work.run, { signal: abort.signal });
  const other = cache.getOrSet("key", work.run);
  await work.called(1);
  abort.abort(new Error("gone"));
  expect(await caught(given)).toEqual(new Error("gone"));
  work.resolve("made");
  expect([await other, work.calls]).toEqual(["made", 1]);
  expect(
    await caught(cache.getOrSet("key 2", work.run, { signal: AbortSignal.abort(new Error("before")) })),
  ).toEqual(new Error("before"));
});

testOnBackends(
  BACKENDS,
  "the function isn't run as a part of the request that asks first",
  async (caches) => {
    const requests = new AsyncLocalStorage<string>();
    const cache = open(caches);
    const make = cache.cached(async () => {
      await Promise.resolve();
      return requests.getStore() ?? "nobody's";
    });
    expect(await requests.run("first", () => make())).toBe("nobody's");
    await make.invalidate();
    expect(await requests.run("second", () => make())).toBe("nobody's");
  },
);

testOnBackends(
  BACKENDS,
  "invalidateTags() makes all with a tag out of date, on every instance",
  async (caches, backend) => {
    const app = caches.open();
    const a = app.namespace("blog", "1");
    const b = (backend === "memory" ? app : caches.open()).namespace("blog", "1");
    let calls = 0;
    const price = (cache: typeof a) =>
      cache.cached((id: number) => `${id} ${++calls}`, {
        key: "price",
        tags: (id) => ["prices", `price-${id}`],
      });
    const [onA, onB] = [price(a), price(b)];
    expect([await onA(1), await onA(2), await onB(1), await onB(2)]).toEqual(["1 1", "2 2", "1 1", "2 2"]);
    await b.invalidateTags(["price-1"]);
    expect([await onB(1), await onB(2)]).toEqual(["1 3", "2 2"]);
    while ((await onA(1)) !== "1 3") await Bun.sleep(1);
    expect(await onA(2)).toBe("2 2");
    await a.invalidateTags(["prices"]);
    expect([await onA(1), await onA(2)]).toEqual(["1 4", "2 5"]);
    await a.set("set", 1, { tags: ["prices"] });
    expect(await a.get<number>("set")).toBe(1);
    await a.invalidateTags(["prices"]);
    expect([await a.get("set"), await a.has("set")]).toEqual([undefined, false]);
  },
);

for (const how of ["its tag", "its key", "a pattern", "set()"]) {
  testOnBackends(
    BACKENDS,
    `a value that was being made isn't kept when it is invalidated by ${how}`,
    async (caches, backend) => {
      const app = caches.open();
      const cache = app.namespace("blog", "1");
      const other = backend === "memory" ? cache : caches.open().namespace("blog", "1");
      const work = new Work<string>();
      const make = cache.cached(work.run, { key: "list:1", tags: ["lists"] });
      const first = make();
      await work.called(1);
      if (how === "its tag") await other.invalidateTags(["lists"]);
      if (how === "its key") await other.delete("list:1");
      if (how === "a pattern") await other.deletePattern("list:*");
      if (how === "set()") await other.set("list:1", "set", { tags: ["lists"] });
      work.resolve("old");
      expect(await first).toBe("old"); // it was asked for before
      if (how === "set()") {
        // On Memcached neither is: it has put the one in the place of the other, and knows that it is old.
        expect(await cache.get<string>("list:1")).toBe(backend === "memcached" ? undefined : "set");
        return;
      }
      expect(await cache.get("list:1")).toBeUndefined();
      const second = make();
      await work.called(2);
      work.resolve("new");
      expect([await second, await make()]).toEqual(["new", "new"]);
    },
  );
}

testOnBackends(
  BACKENDS,
  "whoever asks after an invalidation doesn't get what was begun before it",
  async (caches) => {
    const cache = open(caches);
    const work = new Work<string>();
    const make = cache.cached(work.run, { tags: ["lists"] });
    const before = make();
    await work.called(1);
    await cache.invalidateTags(["lists"]);
    const after = make();
    work.resolveFirst("old");
    expect(await before).toBe("old");
    await work.called(2);
    work.resolve("new");
    expect(await after).toBe("new");
  },
);

testOnBackends(
  BACKENDS,
  "what one version has cached is nothing to another, unless it survives reloads",
  async (caches, backend) => {
    const app = caches.open();
    const other = backend === "memory" ? app : caches.open();
    const define = (version: string, cache = app.namespace("blog", version)) => ({
      cache,
      plain: cache.cached(() => version, { key: "plain" }),
      surviving: cache.cached(() => version, { key: "surviving", survivesReload: true }),
    });
    const first = define("1");
    expect([await first.plain(), await first.surviving()]).toEqual(["1", "1"]);
    await first.cache.set("a", "1");
    await first.cache.set("b", "1", { survivesReload: true });
    const again = define("1", other.namespace("blog", "1"));
    expect(await again.cache.get<string>("a")).toBe("1");
    const second = define("2");
    expect([await second.cache.get("a"), await second.cache.has("a"), await second.cache.ttl("a")]).toEqual([
      undefined,
      false,
      null,
    ]);
    expect(await second.cache.get<string>("b")).toBe("1");
    expect([await second.plain(), await second.surviving()]).toEqual(["2", "1"]);
  },
);

testOnBackends(["memory"], "cached() refuses what can't be meant", async (caches) => {
  const cache = open(caches);
  expect(() => cache.cached("text" as never)).toThrow(TypeError);
  expect(() => cache.cached(() => 1, { survivesReload: true })).toThrow("give it a name");
  expect(() => cache.cached(() => 1, { tables: ["articles"] as never })).toThrow("Cannot cache by a table");
  for (const options of [
    { ttl: 0 },
    { ttl: -1 },
    { ttl: Number.NaN },
    { ttl: "60" as never },
    { grace: -1 },
    { softTimeout: 0 },
    { hardTimeout: -1 },
    { eagerRefresh: 1 },
    { eagerRefresh: 0 },
  ]) {
    expect(() => cache.cached(() => 1, options)).toThrow(RangeError);
  }
  for (const options of [
    { ttl: 0 },
    { ttl: 0.0001 },
    { ttl: Number.NaN },
    { ttl: Infinity },
    { wait: -1 },
    { wait: Number.NaN },
    { wait: "5" as never },
  ]) {
    expect(await caught(cache.lock("import", () => 1, options))).toBeInstanceOf(RangeError);
  }
  const byObject = cache.cached((value: unknown) => typeof value);
  expect(await caught(byObject(() => 1))).toBeInstanceOf(TypeError);
});

testOnBackends(
  ["memory"],
  "an option that there isn't is refused, with the one that was meant",
  async (caches) => {
    const cache = open(caches);
    const misspelt = { tll: 5 } as object;
    const refusals = await Promise.all([
      caught(cache.set("a", 1, misspelt)),
      caught(cache.getOrSet("a", () => 1, misspelt)),
      caught(cache.increment("a", 1, misspelt)),
      caught(cache.lock("a", () => 1, misspelt)),
      caught(Promise.try(() => cache.cached(() => 1, misspelt))),
    ]);
    for (const refusal of refusals) {
      expect(refusal).toBeInstanceOf(TypeError);
      expect((refusal as Error).message).toEndWith(': there is no option "tll", did you mean "ttl"?');
    }
    // What one of them takes another may not.
    expect(String(await caught(cache.set("a", 1, { grace: 5 } as object)))).toContain(
      'there is no option "grace"',
    );
    expect(await cache.has("a")).toBe(false);
  },
);
