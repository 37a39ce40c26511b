// Reading the clock costs some hundredths of a small statement.
const skippedReadings = 3;
const quickMs = 1;

/**
 * Watches how long database work has kept the event loop busy. Statements run synchronously and resolve at
 * once, so a chain of them would otherwise keep timers and sockets waiting for as long as it goes on.
 */
export class EventLoopTurn {
  readonly #longMs: number;
  #startedAt = 0;
  #readAt = 0;
  /** How often the clock need not be read: the statements since it last was have been quick. */
  #skips = 0;
  #isWatched = false;
  /** A set, of which the first goes as fast as any. */
  readonly #waiters = new Set<() => void>();
  /** Whether one of them has gone on in this turn. */
  #hasGranted = false;

  /** @param longMs after how many ms of one turn the next statement waits for the next turn */
  constructor(longMs = 5) {
    this.#longMs = longMs;
  }

  /** Whether timers and sockets have waited long enough. */
  isLong(): boolean {
    if (!this.#isWatched) {
      this.#begin();
      return false;
    }
    if (this.#skips > 0) {
      this.#skips -= 1;
      return false;
    }
    const now = performance.now();
    const isLong = now - this.#startedAt > this.#longMs;
    this.#skips = isLong || now - this.#readAt > quickMs ? 0 : skippedReadings;
    this.#readAt = now;
    return isLong;
  }

  /**
   * Resolves in a turn that has time for another statement, in the order in which it was asked for. One a turn has its
   * place whatever was before it: a transaction that fills each turn would else keep all others waiting until it ends.
   */
  next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add(resolve);
    setImmediate(this.#grant);
    return promise;
  }

  readonly #grant = (): void => {
    if (this.#hasGranted && this.isLong()) {
      setImmediate(this.#grant);
      return;
    }
    if (!this.#hasGranted) {
      this.#hasGranted = true;
      setImmediate(() => (this.#hasGranted = false));
    }
    const [resolve] = this.#waiters;
    if (resolve === undefined) return;
    this.#waiters.delete(resolve);
    resolve();
  };

  #begin(): void {
    this.#isWatched = true;
    this.#startedAt = performance.now();
    this.#readAt = this.#startedAt;
    this.#skips = 0;
    setImmediate(() => (this.#isWatched = false));
  }
}
