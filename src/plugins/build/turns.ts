import { availableParallelism } from "node:os";

const LONG_MS = 5;
/** More than keep all processors busy, and few enough that what is left to do here once they are done isn't much. */
const MAX_APART = availableParallelism() + 4;

/**
 * The turns of the event loop that loads work in. What they do without waiting for anything is cut into pieces; between
 * two of them requests are answered once a turn has taken 5 ms, however many plugins are loaded at once.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  readonly #apart: (() => void)[] = [];
  #freeApart = MAX_APART;
  #isServing = false;
  #turn = 0;
  #isWatched = false;
  #startedAt = 0;

  /** Whether loads wait for their turn, or for what is done apart. */
  get isBusy(): boolean {
    return this.#isServing || this.#freeApart < MAX_APART;
  }

  /** Whether requests have waited long enough in this turn. */
  isLong(): boolean {
    if (this.#isWatched) return performance.now() - this.#startedAt > LONG_MS;
    this.#begin();
    return false;
  }

  /**
   * Resolves when a piece may be done: after those that have waited for longer, in this turn while it is young. It must
   * be awaited as it is: what waits for something else in between does its piece beside the next one's.
   *
   * @param begin is called just before
   */
  readonly next = (begin?: () => void): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(() => {
      begin?.();
      resolve();
    });
    if (!this.#isServing) void this.#serve();
    return promise;
  };

  /** Does work that other threads do, such as bundling: a few at once, as what each leaves to be done comes in one piece. */
  async apart<T>(work: () => Promise<T>): Promise<T> {
    if (this.#freeApart > 0) this.#freeApart -= 1;
    else await new Promise<void>((resolve) => this.#apart.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#apart.shift();
      if (next === undefined) this.#freeApart += 1;
      else next();
    }
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    await Promise.resolve(); // until the first one waits
    while (this.#waiting.length > 0) {
      // oxlint-disable-next-line no-await-in-loop -- one turn after the other
      if (this.isLong()) await this.#nextTurn();
      this.#waiting.shift()?.();
      // The piece of whoever is let go is done when this goes on: both wait for promises that are settled.
      // oxlint-disable-next-line no-await-in-loop -- as above
      await Promise.resolve();
    }
    this.#isServing = false;
  }

  async #nextTurn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#begin();
  }

  #begin(): void {
    const turn = (this.#turn += 1);
    this.#startedAt = performance.now();
    this.#isWatched = true;
    setImmediate(() => (this.#isWatched &&= turn !== this.#turn));
  }
}
