import { setTimeout } from "node:timers/promises";
import { isFault } from "../contract/database-error.ts";

const FIRST_PAUSE_MS = 10;
const MAX_PAUSE_MS = 1000;

/**
 * Runs a transaction again, up to `retries` times, when the database gives it up for another one. The pauses grow
 * and are random, so that those which collided don't collide again.
 */
export async function withRetries<T>(retries: number, run: () => Promise<T>): Promise<T> {
  for (
    let left = retries, pauseMs = FIRST_PAUSE_MS;
    ;
    left--, pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
  ) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after another
      return await run();
    } catch (error) {
      if (left <= 0 || !isFault(error, "serialization")) throw error;
    }
    // oxlint-disable-next-line no-await-in-loop
    await setTimeout(pauseMs * Math.random());
  }
}
