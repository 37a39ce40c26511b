import type { Logger } from "pino";
import type { Database } from "../db/contract/database.ts";
import type { Driver } from "../db/contract/driver.ts";
import { fail } from "../errors/codes.ts";
import type { CoreTables } from "../db/schema/core-tables.ts";
import type { Presence } from "../log/presence.ts";
import type { JobBackend } from "./contract/backend.ts";

export interface BackendOptions {
  readonly driver: Driver;
  /** The core's tables and the database that they are in. */
  readonly store: { readonly db: Database; readonly tables: CoreTables };
  /** Whether jobs are in Redis, and not in the database alone. @default null */
  readonly redis?: RedisJobs | null;
  readonly log: Logger;
  /** What all connections to Redis of the process share. @default one of its own */
  readonly presence?: Presence | undefined;
  /** How long a job belongs to the process that runs it without a word of it, in ms. @default 30_000 */
  readonly leaseMs?: number;
}

/** Where jobs are in Redis. */
export interface RedisJobs {
  readonly url: string;
  /** Of the application: its instances have the same, others that share the Redis another. */
  readonly appName: string;
}

interface JobConfig {
  readonly app: { readonly name: string };
  readonly jobs: { readonly backend: "database" | "redis" };
  readonly redis: { readonly url: string | null };
}

const LEASE_MS = 30_000;

/** Finds where jobs are in Redis; null where they are in the database alone. @throws AppError config_invalid */
export function toRedisJobs({ app, jobs, redis: { url } }: JobConfig): RedisJobs | null {
  if (jobs.backend === "database") return null;
  if (url !== null) return { url, appName: app.name };
  throw fail("config_invalid", 'Cannot use redis for "jobs.backend": set "redis.url" (REDIS_URL)');
}

/** Opens where jobs are kept. Nothing of it is loaded before. */
export async function openBackend({
  driver,
  store: { db, tables },
  redis = null,
  log,
  presence,
  leaseMs = LEASE_MS,
}: BackendOptions): Promise<JobBackend> {
  const database = { driver, db, tables, leaseMs };
  if (redis !== null) {
    const { createRedisBackend } = await import("./drivers/redis/backend.ts");
    return createRedisBackend({ ...redis, database, log, presence });
  }
  const { createDatabaseBackend } = await import("./drivers/database/backend.ts");
  return createDatabaseBackend(database);
}
