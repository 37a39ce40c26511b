import { and, eq, gt, lte, ne, or } from "drizzle-orm";
import { fromNow, type Ground, inPieces } from "./ground.ts";

const ROWS = 500; // of one statement

/** Says which versions of which names a process runs. */
export async function keepVersions(
  ground: Ground,
  worker: string,
  versions: ReadonlyMap<string, string>,
): Promise<void> {
  const { db, leaseMs } = ground;
  const { jobVersions } = ground.tables;
  const seen_at = fromNow(ground);
  const rows = [...versions].map(([name, version]) => ({ worker, name, version, seen_at }));
  const isOld = lte(jobVersions.seen_at, fromNow(ground, -leaseMs));
  await db.transaction(
    async (tx) => {
      await tx.delete(jobVersions).where(or(eq(jobVersions.worker, worker), isOld));
      for (const piece of inPieces(rows, ROWS)) {
        // oxlint-disable-next-line no-await-in-loop -- one connection
        await tx.insert(jobVersions).values(piece);
      }
    },
    { isolation: "read committed", retries: 5 },
  );
}

/** The versions of each name that other processes have said they run, no longer than a lease ago. */
export async function readVersions(ground: Ground, worker: string): Promise<Map<string, Set<string>>> {
  const { db, leaseMs } = ground;
  const { jobVersions } = ground.tables;
  const rows = await db
    .select({ name: jobVersions.name, version: jobVersions.version })
    .from(jobVersions)
    .where(and(ne(jobVersions.worker, worker), gt(jobVersions.seen_at, fromNow(ground, -leaseMs))));
  const byName = Map.groupBy(rows, ({ name }) => name);
  return new Map([...byName].map(([name, some]) => [name, new Set(some.map(({ version }) => version))]));
}
