import { sql } from "drizzle-orm";
import { ConstraintError, isFault } from "../contract/database-error.ts";
import type { SchemaTables, Transaction } from "../contract/database.ts";
import type { Driver } from "../contract/driver.ts";
import { Ledger } from "./ledger.ts";

export interface SeedOptions {
  /** The plugin whose rows they are. */
  readonly owner: string;
  /** What `query` of the transaction knows. */
  readonly schema: SchemaTables;
  /** Whether to run it though it has been run before. */
  readonly again: boolean;
  /** Writes the rows. */
  readonly work: (tx: Transaction) => Promise<void>;
}

/** Tells when an owner was seeded, null when never. */
export async function readSeededAt(driver: Driver, owner: string): Promise<Date | null> {
  try {
    const query = sql`select seeded_at from xcore_seeds where owner = ${owner}`;
    const [row] = await driver.toDatabase({}).execute<{ seeded_at: string }>(query);
    return row === undefined ? null : new Date(row.seeded_at);
  } catch (error) {
    if (isFault(error, "missing_table")) return null;
    throw error;
  }
}

/**
 * Seeds an owner in one transaction with the note that it was, once for a database, whichever processes do so at the
 * same time.
 *
 * @returns false when it has been seeded before, or meanwhile
 * @throws whatever `work` throws: then nothing of it is kept
 */
export async function runSeed(driver: Driver, { owner, schema, again, work }: SeedOptions): Promise<boolean> {
  await driver.migrate((connection) => Ledger.open(connection, driver.dialect));
  if (!again && (await readSeededAt(driver, owner)) !== null) return false;
  let isNoted = false;
  try {
    await driver.toDatabase(schema).transaction(async (tx) => {
      if (again) await tx.execute(sql`delete from xcore_seeds where owner = ${owner}`);
      const at = new Date().toISOString();
      // First of all: another process that seeds it waits here, and then finds that it is done.
      await tx.execute(sql`insert into xcore_seeds (owner, seeded_at) values (${owner}, ${at})`);
      isNoted = true;
      await work(tx);
    });
    return true;
  } catch (error) {
    if (!isNoted && error instanceof ConstraintError) return false;
    throw error;
  }
}
