import type { Database } from "../db/contract/database.ts";
import type { Driver } from "../db/contract/driver.ts";
import type { CoreTables } from "../db/schema/core-tables.ts";
import type { JobBackend } from "./contract/backend.ts";

export interface BackendOptions {
  readonly driver: Driver;
  /** The core's tables and the database that they are in. */
  readonly store: { readonly db: Database; readonly tables: CoreTables };
  /** How long a job belongs to the process that runs it without a word of it, in ms. @default 30_000 */
  readonly leaseMs?: number;
}

const LEASE_MS = 30_000;

/** Opens where jobs are kept. Nothing of it is loaded before. */
export async function openBackend({
  driver,
  store: { db, tables },
  leaseMs = LEASE_MS,
}: BackendOptions): Promise<JobBackend> {
  const { createDatabaseBackend } = await import("./drivers/database/backend.ts");
  return createDatabaseBackend({ driver, db, tables, leaseMs });
}
