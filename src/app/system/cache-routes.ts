import { Elysia, t } from "elysia";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { AppCache } from "../../cache/cache.ts";

const Stats = t.Object({
  backend: t.UnionEnum(["memory", "redis", "memcached"]),
  available: t.Boolean({ description: "Whether its server answers" }),
  entries: t.Integer({ description: "Values in the memory of this process" }),
  size: t.Integer({ description: "Bytes that they take, about" }),
  hits: t.Integer({ description: "Since the process started" }),
  stale_hits: t.Integer({ description: "Of the hits, those that were past their time" }),
  misses: t.Integer(),
});

/** Serves what the cache does. */
export function cacheRoutes({ cache, guards }: { readonly cache: AppCache; readonly guards: Guards }) {
  return new Elysia({ name: "xcore/cache", prefix: "/system/cache", detail: { tags: ["system"] } })
    .use(guards)
    .get("", () => cache.stats(), {
      permission: "cache:read",
      response: { 200: Stats },
      detail: { summary: "Show what the cache does" },
    });
}
