import { expect } from "bun:test";
import { testWithProgram } from "../programs.ts";
import { TestCaches } from "./caches.ts";

const TIMEOUT_MS = 250;
const SLACK_MS = 2000; // other tests run beside it

for (const fault of ["frozen", "killed"] as const) {
  testWithProgram(
    "memcached",
    `while Memcached is ${fault} everything is a miss, and works when it is back`,
    async () => {
      await using caches = await TestCaches.start("memcached", TIMEOUT_MS);
      const cache = caches.open().namespace("blog", "1");
      let calls = 0;
      const count = cache.cached(() => ++calls, { tags: ["counts"] });
      expect([await count(), await count()]).toEqual([1, 1]);
      await cache.set("key", "old");
      if (fault === "frozen") caches.server?.freeze();
      else await caches.server?.kill();
      let startedAt = performance.now();
      await Promise.all(Array.from({ length: 50 }, () => cache.get("missing")));
      expect(performance.now() - startedAt).toBeLessThan(TIMEOUT_MS + SLACK_MS);
      startedAt = performance.now();
      expect([
        await cache.get("key"),
        await cache.set("key", 1),
        await cache.has("key"),
        await cache.delete("key"),
        await cache.deletePattern("k:*"),
        await cache.getOrSet("key", () => "made"),
        await cache.increment("count"),
        await cache.invalidateTags(["counts"]),
        await count(),
      ]).toEqual([undefined, undefined, false, false, null, "made", 1, undefined, 2]);
      expect(performance.now() - startedAt).toBeLessThan(SLACK_MS);
      expect(await cache.lock("x", () => 1).catch((error: unknown) => error)).toMatchObject({
        code: "memcached_unavailable",
        status: 503,
      });
      if (fault === "frozen") caches.server?.thaw();
      else await caches.server?.restart();
      while (caches.lines.length < 2) await Bun.sleep(5);
      expect(caches.lines.map(({ level }) => level)).toEqual([40, 30]);
      expect(await cache.get("key")).toBeUndefined(); // it was deleted meanwhile
      const made = await count();
      expect([made, await count()]).toEqual([made, made]);
      expect(made).toBeGreaterThan(1);
    },
  );
}
