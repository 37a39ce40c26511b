import { DatabaseError } from "../contract/database-error.ts";

/** Counts queries and transactions under way on a pool, so that it is closed only behind them. */
export class OpenWork {
  #count = 0;
  #isClosing = false;
  readonly #idle = Promise.withResolvers<void>();

  /** @throws DatabaseError once it is closing */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosing) throw new DatabaseError("unavailable", "Cannot query: the database is closed");
    this.#count++;
    try {
      return await work();
    } finally {
      this.#count--;
      if (this.#isClosing && this.#count === 0) this.#idle.resolve();
    }
  }

  /** Takes no more, and resolves when nothing is under way or the time is over. */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosing = true;
    if (this.#count === 0) return;
    const timer = setTimeout(() => this.#idle.resolve(), timeoutMs);
    await this.#idle.promise;
    clearTimeout(timer);
  }
}
