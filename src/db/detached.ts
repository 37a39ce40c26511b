import { DatabaseError } from "./contract/database-error.ts";
import type { Database } from "./contract/database.ts";
import type { Dialect, Driver } from "./contract/driver.ts";

/**
 * Returns a driver without a database, for plugins that are only looked at: queries can be built and prepared, and
 * fail when they are run.
 */
export async function createDetachedDriver(dialect: Dialect): Promise<Driver> {
  const [drizzle, tableMakers] = await load(dialect);
  return {
    dialect,
    tableMakers,
    toDatabase: (schema) => drizzle(fail, { schema }) as unknown as Database<typeof schema>,
    migrate: fail,
    ping: fail,
    probe: fail,
    changeToken: () => null,
    afterCommit() {},
    onTablesWritten: () => () => {},
    close: () => Promise.resolve(),
  };
}

/** Loads what builds queries of a dialect, and what its tables are declared with. */
async function load(dialect: Dialect) {
  if (dialect === "sqlite") {
    const { drizzle } = await import("drizzle-orm/sqlite-proxy");
    return [drizzle, (await import("./sqlite/table-makers.ts")).sqliteTableMakers] as const;
  }
  if (dialect === "postgres") {
    const { drizzle } = await import("drizzle-orm/pg-proxy");
    return [drizzle, (await import("./postgres/table-makers.ts")).postgresTableMakers] as const;
  }
  const { drizzle } = await import("drizzle-orm/mysql-proxy");
  return [drizzle, (await import("./mysql/table-makers.ts")).mysqlTableMakers] as const;
}

function fail(): Promise<never> {
  const message = "Cannot query: no database is open while a plugin is only looked at";
  return Promise.reject(new DatabaseError("unavailable", message));
}
