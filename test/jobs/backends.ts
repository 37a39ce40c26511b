import { test } from "bun:test";
import type { ConfigOverrides } from "../../src/config/schema.ts";
import type { RedisJobs } from "../../src/jobs/backends.ts";
import { type DialectTest, testOnDialect, testWithCoreTables } from "../database-servers.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { testWithProgram } from "../programs.ts";

/** What a test on each backend of jobs is given. */
export interface BackendTest extends DialectTest {
  /** Null where the database alone keeps them. */
  readonly redis: RedisJobs | null;
}

/** What a test with jobs in Redis is given: a server of its own, which it may freeze and kill. */
export interface RedisTest extends DialectTest {
  readonly redis: RedisJobs;
  readonly server: PrivateServer;
}

/** Declares the test for jobs in each database, and for those in Redis beside SQLite and PostgreSQL. */
export function testOnEachBackend(
  name: string,
  run: (context: BackendTest) => Promise<void>,
  timeoutMs = 120_000,
): void {
  testWithCoreTables(name, (context) => run({ ...context, redis: null }), timeoutMs);
  testWithRedis(name, run, timeoutMs);
}

/** Declares the test of an app for each backend of jobs. */
export function testAppOnEachBackend(
  name: string,
  run: (config: ConfigOverrides) => Promise<void>,
  jobs: ConfigOverrides["jobs"] = {},
): void {
  test(name, () => run({ jobs }));
  testWithProgram("redis-server", `${name} (redis)`, async () => {
    await using server = await PrivateServer.start("redis");
    await run({ jobs: { ...jobs, backend: "redis" }, redis: { url: server.url } });
  });
}

/** Declares the test for jobs in Redis, beside SQLite and PostgreSQL. */
export function testWithRedis(
  name: string,
  run: (context: RedisTest) => Promise<void>,
  timeoutMs = 120_000,
): void {
  for (const dialect of ["sqlite", "postgres"] as const) {
    testOnDialect(
      dialect,
      `${name} (redis)`,
      async (context) => {
        await using server = await PrivateServer.start("redis");
        await run({ ...context, server, redis: { url: server.url, appName: "test" } });
      },
      timeoutMs,
    );
  }
}
