import type { Logger } from "pino";
import { AppCache } from "../cache/cache.ts";
import type { LoadedConfig } from "../config/load.ts";
import { parseByteSize } from "../config/schema.ts";
import type { Driver } from "../db/contract/driver.ts";

export interface CacheParts {
  readonly log: Logger;
  /** Null for a command that only looks at the cache: nobody caches by tables. */
  readonly database: Driver | null;
  /** Whether plugins are only looked at: they leave nothing behind. @default false */
  readonly inspects?: boolean;
}

/**
 * Builds the cache, which is opened when somebody uses it. Its settings are those of the start.
 *
 * @throws AppError config_invalid for a backend without its server
 */
export function createCache({ config }: LoadedConfig, { inspects = false, ...parts }: CacheParts): AppCache {
  const { cache, redis, app } = config;
  const backend = inspects ? "memory" : cache.backend;
  return new AppCache({
    ...parts,
    settings: { ...cache, backend, maxSize: parseByteSize(cache.max_size) },
    appName: app.name,
    redisUrl: redis.url,
  });
}
