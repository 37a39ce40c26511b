import { setTimeout } from "node:timers/promises";
import { DatabaseError, isFault } from "../../contract/database-error.ts";

const pausesMs = [1, 2, 5, 10, 20] as const;
const longestPauseMs = 50;

/**
 * Runs a statement again, with pauses that leave the event loop free, for as long as another process holds the
 * lock that it needs.
 *
 * @param askedAt when it was asked for, by `performance.now()`: what it has waited for since counts
 * @throws DatabaseError "busy" after `waitMs`
 */
export async function retryWhileBusy<T>(
  run: () => T,
  waitMs: number,
  askedAt = performance.now(),
): Promise<T> {
  const startedAt = performance.now();
  for (let attempt = 0; ; attempt += 1) {
    try {
      return run();
    } catch (error) {
      if (!isFault(error, "busy")) throw error;
      const now = performance.now();
      if (now - askedAt >= waitMs) {
        throw new DatabaseError(
          "busy",
          `Cannot use the database: another process has kept it locked for ${Math.ceil((now - startedAt) / 100) / 10} s`,
        );
      }
    }
    await setTimeout(pausesMs[attempt] ?? longestPauseMs);
  }
}
