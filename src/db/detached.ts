import { drizzle as drizzleMySql } from "drizzle-orm/mysql-proxy";
import { drizzle as drizzlePostgres } from "drizzle-orm/pg-proxy";
import { drizzle as drizzleSqlite } from "drizzle-orm/sqlite-proxy";
import { DatabaseError } from "./contract/database-error.ts";
import type { Database } from "./contract/database.ts";
import type { Dialect, Driver } from "./contract/driver.ts";

/**
 * Returns a driver without a database, for plugins that are only looked at: queries can be built and prepared, and
 * fail when they are run.
 */
export function createDetachedDriver(dialect: Dialect): Driver {
  const drizzle = { sqlite: drizzleSqlite, postgres: drizzlePostgres, mysql: drizzleMySql }[dialect];
  return {
    dialect,
    toDatabase: (schema) => drizzle(fail, { schema }) as unknown as Database<typeof schema>,
    migrate: fail,
    ping: fail,
    changeToken: () => null,
    close: () => Promise.resolve(),
  };
}

function fail(): Promise<never> {
  const message = "Cannot query: no database is open while a plugin is only looked at";
  return Promise.reject(new DatabaseError("unavailable", message));
}
