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

  /** Resolves in a turn that has time for another statement. */
  async next(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.isLong());
  }

  #begin(): void {
    this.#isWatched = true;
    this.#startedAt = performance.now();
    this.#readAt = this.#startedAt;
    this.#skips = 0;
    setImmediate(() => (this.#isWatched = false));
  }
}
