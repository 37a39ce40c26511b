import { isFault } from "../../../db/contract/database-error.ts";
import type { Exchange } from "../../contract/backend.ts";
import type { Claim, ClaimedJob, Outcome } from "../../contract/records.ts";
import { claim, isLimited, takeFirst } from "./claim.ts";
import { finish, LET_GO, toEnded } from "./finish.ts";
import { type Ground, heldBy } from "./ground.ts";

/** See `exchange` of JobBackend. In one transaction: a place is given away as it becomes free. */
export async function exchange(ground: Ground, exchanged: Exchange): Promise<Claim> {
  const { worker, outcomes, wanted, places } = exchanged;
  const jobs = await exchangeAtOnce(ground, exchanged);
  if (jobs !== null) return { jobs, waits: new Map() };
  return ground.db.transaction(
    async (tx) => {
      if (outcomes.length > 0) await finish(ground, tx, worker, outcomes);
      if (wanted.length === 0) return { jobs: [], waits: new Map() };
      return claim(ground, tx, { worker, wanted, places });
    },
    { isolation: "read committed", retries: 5 },
  );
}

/**
 * On PostgreSQL, where jobs were completed that nothing waits for, and others are wanted without a limit, one statement does: a transaction
 * takes a round trip for each of its statements, its beginning and its end. Null where that can't be.
 */
async function exchangeAtOnce(
  ground: Ground,
  { worker, outcomes, wanted, places }: Exchange,
): Promise<ClaimedJob[] | null> {
  const { db, driver } = ground;
  const end = toPlainEnd(ground, worker, outcomes);
  if (driver.dialect !== "postgres" || wanted.length === 0 || wanted.some(isLimited) || end === null)
    return null;
  const choice = { worker, open: wanted.map((one) => ({ ...one, most: places })), places };
  try {
    return await takeFirst(ground, outcomes.length === 0 ? db : db.with(db.$with("ended").as(end)), choice);
  } catch (error) {
    if (isFault(error, "serialization")) return null; // a transaction is tried again
    throw error;
  }
}

/** Returns what notes that these jobs are completed; null where more has to be done for it. */
function toPlainEnd(ground: Ground, worker: string, outcomes: readonly Outcome[]) {
  const { db, tables } = ground;
  const [first] = outcomes;
  const keepMs = first?.as === "completed" ? first.keepMs : 0;
  const isPlain = outcomes.every(
    (one) =>
      one.as === "completed" && one.keepMs === keepMs && one.job.batchId === null && one.job.nextId === null,
  );
  if (!isPlain || (first !== undefined && keepMs === 0)) return null;
  const ids = outcomes.map(({ job }) => job.id);
  return db
    .update(tables.jobs)
    .set({ ...LET_GO, ...toEnded(ground, "completed", keepMs) })
    .where(heldBy(ground, worker, ids))
    .returning({ id: tables.jobs.id });
}
