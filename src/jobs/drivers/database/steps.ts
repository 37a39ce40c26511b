import { eq } from "drizzle-orm";
import type { Database } from "../../../db/contract/database.ts";
import type { Tx } from "../../contract/backend.ts";
import type { Stepping } from "../../contract/records.ts";
import { type Ground, heldBy } from "./ground.ts";

/** Reads what the steps of a job have come to, as JSON; null for nothing. */
export async function readSteps(
  { db, tables: { jobSteps } }: Ground,
  id: string,
): Promise<Map<string, string | null>> {
  const rows = await db
    .select({ name: jobSteps.name, result: jobSteps.result })
    .from(jobSteps)
    .where(eq(jobSteps.job_id, id));
  return new Map(rows.map(({ name, result }) => [name, result]));
}

/** Notes a step as done whose work is no part of the database. */
export async function keepStep(
  { db, tables: { jobSteps } }: Ground,
  { id }: Stepping,
  { name, result }: { readonly name: string; readonly result: string | null },
): Promise<void> {
  await db.insert(jobSteps).values({ job_id: id, name, result }).onConflictDoNothing();
}

/**
 * Runs `work` in a transaction that also notes the step as done; returns what came of it, as JSON.
 *
 * @throws Error when the job doesn't belong to the process any more: nothing is kept
 */
export function commitStep(
  ground: Ground,
  db: Database,
  { id, worker }: Stepping,
  { name, work }: { readonly name: string; readonly work: (tx: Tx) => Promise<string | null> },
): Promise<string | null> {
  const { jobs, jobSteps } = ground.tables;
  return db.transaction(async (tx) => {
    const result = await work(tx);
    // At the end: the row is what the lease is renewed in meanwhile.
    const mine = heldBy(ground, worker, [id]);
    const [held] = await tx.select({ id: jobs.id }).from(jobs).where(mine).for("update");
    if (held === undefined) {
      throw new Error(`Cannot keep the step "${name}": the job doesn't belong to this process any more`);
    }
    await tx.insert(jobSteps).values({ job_id: id, name, result });
    return result;
  });
}
