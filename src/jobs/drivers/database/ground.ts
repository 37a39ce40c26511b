import { and, eq, inArray, type SQL, sql } from "drizzle-orm";
import type { Database } from "../../../db/contract/database.ts";
import type { Dialect, Driver } from "../../../db/contract/driver.ts";
import type { CoreTables } from "../../../db/schema/core-tables.ts";

/** What the queue in a database stands on. */
export interface Ground {
  readonly driver: Pick<Driver, "dialect" | "changeToken" | "afterCommit" | "gather">;
  readonly db: Database;
  readonly tables: Pick<CoreTables, "jobs" | "jobSteps" | "jobBatches" | "jobLimits" | "jobVersions">;
  /** How long a job belongs to the process that runs it without a word of it, in ms. */
  readonly leaseMs: number;
}

const NOW: Readonly<Record<Dialect, SQL>> = {
  sqlite: sql`cast(unixepoch('subsec') * 1000 as integer)`,
  postgres: sql`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`,
  mysql: sql`cast(unix_timestamp(now(3)) * 1000 as signed)`,
};

/** The present moment by the clock of the database, and so much later, in ms since the epoch. */
export function fromNow({ driver: { dialect } }: Pick<Ground, "driver">, ms = 0): SQL {
  return ms === 0 ? NOW[dialect] : sql`${NOW[dialect]} + ${sql.raw(String(Math.round(ms)))}`;
}

/**
 * Those of these jobs that a process runs, as far as nobody else has taken them for lost. A job has a worker only while it is
 * running: with its state as well, PostgreSQL looks through all that run.
 */
export function heldBy(
  ground: Pick<Ground, "driver" | "tables">,
  worker: string,
  ids: readonly string[],
): SQL | undefined {
  return and(anyOf(ground, ids), eq(ground.tables.jobs.worker, worker));
}

/** These jobs. On PostgreSQL in words that don't depend on how many there are: each statement is planned once. */
export function anyOf(
  { driver, tables: { jobs } }: Pick<Ground, "driver" | "tables">,
  ids: readonly string[],
): SQL {
  if (driver.dialect !== "postgres") return inArray(jobs.id, ids);
  return sql`${jobs.id} = any(cast(cast(${`{${ids.join()}}`} as text) as uuid[]))`;
}

/** Cuts a list into pieces that a statement has room for. */
export function inPieces<T>(list: readonly T[], size = 500): T[][] {
  const pieces: T[][] = [];
  for (let start = 0; start < list.length; start += size) pieces.push(list.slice(start, start + size));
  return pieces;
}
