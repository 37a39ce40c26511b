import type { Database } from "../../../db/contract/database.ts";
import type { Tx } from "../../contract/backend.ts";
import type { Stepping } from "../../contract/records.ts";
import { isAbsence } from "./exchange.ts";
import type { Ground } from "./ground.ts";

/**
 * Runs `work` in a transaction that also notes the step as done; returns what came of it, as JSON. Of two processes that
 * both take the job for theirs, one notes it: the writes of the other are rolled back.
 *
 * @throws Error when the job doesn't belong to the process any more: nothing is kept
 */
export function commitStep(
  ground: Ground,
  db: Database,
  { id, worker }: Stepping,
  { name, work }: { readonly name: string; readonly work: (tx: Tx) => Promise<string | null> },
): Promise<string | null> {
  const { jobSteps } = ground.database.tables;
  return db.transaction(async (tx) => {
    const result = await work(tx);
    const noted = (await isOurs(ground, id, worker))
      ? await tx.insert(jobSteps).values({ job_id: id, name, result }).onConflictDoNothing()
      : { rowsAffected: 0 };
    if (noted.rowsAffected === 0) {
      throw new Error(`Cannot keep the step "${name}": the job doesn't belong to this process any more`);
    }
    return result;
  });
}

/** While Redis is away nobody else can have taken it and been told so: the note itself decides. */
async function isOurs({ connection, held }: Ground, id: string, worker: string): Promise<boolean> {
  const name = held.get(id)?.name;
  if (name === undefined) return false;
  try {
    return (
      (await connection.run((client) => client.send("GET", `${client.queue(name).toKey(id)}:lock`))) ===
      worker
    );
  } catch (error) {
    if (isAbsence(error)) return true;
    throw error;
  }
}
