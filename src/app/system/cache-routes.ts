import { Elysia, t } from "elysia";
import { writeAudit } from "../../accounts/people/audit.ts";
import type { CoreStore } from "../../accounts/people/store.ts";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { Origin } from "../../accounts/identity/principal.ts";
import type { AppCache } from "../../cache/cache.ts";
import { fail } from "../../errors/codes.ts";
import { fail as failCache } from "../../cache/flights.ts";

const Stats = t.Object({
  backend: t.UnionEnum(["memory", "redis", "memcached"]),
  available: t.Boolean({ description: "Whether its server answers" }),
  entries: t.Integer({ description: "Values in the memory of this process" }),
  size: t.Integer({ description: "Bytes that they take, about" }),
  hits: t.Integer({ description: "Since the process started" }),
  stale_hits: t.Integer({ description: "Of the hits, those that were past their time" }),
  misses: t.Integer(),
});

export interface CacheRoutesOptions {
  readonly cache: AppCache;
  readonly guards: Guards;
  readonly store: CoreStore;
  readonly originOf: (request: Request) => Origin;
}

/** Serves what the cache does, and clears it. */
export function cacheRoutes({ cache, guards, store, originOf }: CacheRoutesOptions) {
  return new Elysia({ name: "xcore/cache", prefix: "/system/cache", detail: { tags: ["system"] } })
    .use(guards)
    .get("", () => cache.stats(), {
      permission: "cache:read",
      response: { 200: Stats },
      detail: { summary: "Show what the cache does" },
    })
    .delete(
      "",
      async ({ query: { pattern }, user: actor, request }) => {
        const deleted = await clear(cache, pattern);
        const entry = {
          action: "cache.cleared",
          actor,
          origin: originOf(request),
          after: { pattern, deleted },
        };
        await writeAudit(store.db, store.tables, entry);
        return { deleted };
      },
      {
        permission: "cache:clear",
        query: t.Object({
          pattern: t.String({
            minLength: 1,
            maxLength: 1000,
            description: 'Keys with the name of their plugin, "*" for any characters: shop:customers:*',
          }),
        }),
        response: {
          200: t.Object({
            deleted: t.Nullable(
              t.Integer({ description: "How many there were; null where that isn't known" }),
            ),
          }),
        },
        detail: { summary: "Delete what is cached under keys that match, on all instances" },
      },
    );
}

/** @throws AppError cache_unavailable; validation_error for a pattern that the backend can't find keys by */
async function clear(cache: AppCache, pattern: string): Promise<number | null> {
  const { backend, available } = await cache.stats();
  if (!available) throw failCache("cache_unavailable", `Cannot clear the cache: ${backend} doesn't answer`);
  try {
    return await cache.clear(pattern);
  } catch (error) {
    throw error instanceof TypeError ? fail("validation_error", error.message) : error;
  }
}
