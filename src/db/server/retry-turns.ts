import { setTimeout } from "node:timers/promises";
import { isFault } from "../contract/database-error.ts";

const FIRST_PAUSE_MS = 10;
const MAX_PAUSE_MS = 1000;
/** A turn that takes longer is waited for no more: it may be about something else. */
const TURN_MS = 1000;

/**
 * Runs transactions again that the database gave up for another one: one at a time, before those that have yet to begin.
 * Run beside each other, those that have collided would collide again, and many of them more often than they may.
 */
export class RetryTurns {
  /** Ends with the last turn; null while nothing is run again. */
  #last: Promise<void> | null = null;

  /**
   * @param retries how often a transaction may be run again; with 0 it waits for nobody
   * @param timeoutMs after which it isn't run again any more
   */
  async run<T>(retries: number, transact: () => Promise<T>, timeoutMs: number): Promise<T> {
    if (retries === 0) return await transact();
    const until = performance.now() + timeoutMs;
    if (this.#last !== null) await atMost(this.#last);
    try {
      return await transact();
    } catch (error) {
      if (!isFault(error, "serialization")) throw error;
    }
    return await this.#takeTurn(() => runAgain(transact, { retries, until }));
  }

  async #takeTurn<T>(run: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const { promise: turn, resolve: end } = Promise.withResolvers<void>();
    this.#last = turn;
    try {
      if (before !== null) await atMost(before);
      return await run();
    } finally {
      end();
      if (this.#last === turn) this.#last = null;
    }
  }
}

/** The pauses grow and are random: other processes may collide with it. */
async function runAgain<T>(
  transact: () => Promise<T>,
  { retries, until }: { readonly retries: number; readonly until: number },
): Promise<T> {
  for (
    let left = retries, pauseMs = FIRST_PAUSE_MS;
    ;
    left--, pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
  ) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after another
      return await transact();
    } catch (error) {
      if (left <= 1 || performance.now() > until || !isFault(error, "serialization")) throw error;
    }
    // oxlint-disable-next-line no-await-in-loop
    await setTimeout(pauseMs * Math.random());
  }
}

async function atMost(turn: Promise<void>): Promise<void> {
  const giveUp = new AbortController();
  await Promise.race([turn, setTimeout(TURN_MS, undefined, giveUp).catch(() => {})]);
  giveUp.abort();
}
