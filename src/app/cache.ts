import { AppCache } from "../cache/cache.ts";
import { parseByteSize } from "../config/schema.ts";
import type { AppContext } from "./context.ts";
import type { Driver } from "../db/contract/driver.ts";

/** Builds the cache, which is opened when somebody uses it. Its settings are those of the start. */
export function createCache({ live: { loaded }, inspects, loggers }: AppContext, database: Driver): AppCache {
  const { cache, redis, app } = loaded.config;
  return new AppCache({
    // Plugins that are only looked at leave nothing behind.
    settings: {
      ...cache,
      backend: inspects ? "memory" : cache.backend,
      maxSize: parseByteSize(cache.max_size),
    },
    appName: app.name,
    redisUrl: redis.url,
    log: loggers.app,
    database,
  });
}
