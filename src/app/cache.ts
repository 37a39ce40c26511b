import type { Logger } from "pino";
import { AppCache } from "../cache/cache.ts";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import type { LoadedConfig } from "../config/load.ts";
import { parseByteSize } from "../config/schema.ts";
import type { Driver } from "../db/contract/driver.ts";

export interface CacheParts {
  readonly log: Logger;
  /** Null for a command that only looks at the cache: nobody caches by tables. */
  readonly database: Driver | null;
  /** Whether plugins are only looked at: they leave nothing behind. @default false */
  readonly inspects?: boolean;
  /** By which instances tell each other of changes. @default null */
  readonly feed?: ChangeFeed | null;
}

const TABLES = "tables";

/**
 * Builds the cache, which is opened when somebody uses it. Its settings are those of the start.
 *
 * @throws AppError config_invalid for a backend without its server
 */
export function createCache(
  { config }: LoadedConfig,
  { inspects = false, feed = null, ...parts }: CacheParts,
): AppCache {
  const { cache, redis, app } = config;
  const backend = inspects ? "memory" : cache.backend;
  // Redis and Memcached are everybody's: what one has forgotten there, all have.
  const shared = backend === "memory" ? feed : null;
  const made = new AppCache({
    ...parts,
    settings: { ...cache, backend, maxSize: parseByteSize(cache.max_size) },
    appName: app.name,
    redisUrl: redis.url,
    ...(shared && { tellOthers: (tags) => shared.publishNames(TABLES, tags) }),
  });
  shared?.follow(TABLES, {
    onChange: (tags) => made.touchTables(isNames(tags) ? tags : null),
    onReset: () => made.touchTables(null),
  });
  return made;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}
