import type { Logger } from "pino";
import { AppCache } from "../cache/cache.ts";
import type { Presence } from "../log/presence.ts";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import type { LoadedConfig } from "../config/load.ts";
import { COMMAND_WAIT_MS, createChangeFeed } from "./cluster.ts";
import { parseByteSize } from "../config/schema.ts";
import type { Driver } from "../db/contract/driver.ts";

export interface CacheParts {
  readonly log: Logger;
  /** What all connections of the process share. @default one of its own */
  readonly presence?: Presence;
  /** Null for a command that only looks at the cache: nobody caches by tables. */
  readonly database: Driver | null;
  /** Whether plugins are only looked at: they leave nothing behind. @default false */
  readonly inspects?: boolean;
  /** By which instances tell each other of changes. @default null */
  readonly feed?: ChangeFeed | null;
  /** How long an answer of the cache's server is waited for, in ms. @default 250: nobody is held up who can do without */
  readonly timeoutMs?: number;
}

const TABLES = "tables";
const CLEARED = "cache";

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
    ...(shared && {
      tellOthers: (tags) => shared.publishNames(TABLES, tags),
      tellCleared: (pattern) => shared.publish(CLEARED, pattern),
    }),
  });
  shared?.follow(TABLES, {
    onChange: (tags) => made.touchTables(isNames(tags) ? tags : null),
    onReset: () => made.touchTables(null),
  });
  shared?.follow(CLEARED, {
    onChange: (pattern) => made.forget(typeof pattern === "string" ? pattern : "*"),
    // Each restart of a Redis that keeps nothing would cost all that is cached, and what `increment` counts.
    onReset() {},
  });
  return made;
}

/**
 * Builds the cache for a command that looks at it: it writes no log, and waits for an answer, which is all that it is there for.
 *
 * @throws AppError config_invalid for a backend without its server
 */
export async function createCommandCache(loaded: LoadedConfig): Promise<AppCache> {
  return createCache(loaded, { log: await createSilentLog(), database: null, timeoutMs: COMMAND_WAIT_MS });
}

/** Whether each process has a cache of its own, and is told what is cleared in another. */
export function hasOtherCaches({ config: { cache, redis } }: LoadedConfig): boolean {
  return cache.backend === "memory" && redis.url !== null;
}

/** Has all processes delete what matches from caches of their own, for a command; returns false while Redis is away. */
export async function clearCaches(loaded: LoadedConfig, pattern: string): Promise<boolean> {
  const feed = await createChangeFeed(loaded, await createSilentLog());
  feed?.publish(CLEARED, pattern);
  return (await feed?.close(COMMAND_WAIT_MS)) ?? false;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

/** What goes wrong is answered. */
async function createSilentLog(): Promise<Logger> {
  const { pino } = await import("pino");
  return pino({ level: "silent" });
}
