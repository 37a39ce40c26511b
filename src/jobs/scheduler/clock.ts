import type { Dialect } from "../../db/contract/driver.ts";

/** How long the clock of a database server is believed to go as ours does, in ms. */
const TRUST_MS = 30_000;

/**
 * Tells the time of the database, which is the same for all instances. Between two looks at it, it goes on by a clock
 * that nobody sets. SQLite has the system's.
 */
export class DatabaseClock {
  readonly #isLocal: boolean;
  readonly #read: () => Promise<number | null>;
  #offset: number;
  #readAt = Number.NEGATIVE_INFINITY;

  /** @param read asks the database, null where it can't say */
  constructor(dialect: Dialect, read: () => Promise<number | null>) {
    this.#isLocal = dialect === "sqlite";
    this.#read = read;
    this.#offset = Date.now() - performance.now();
  }

  /** In ms since the epoch. */
  get now(): number {
    return this.#isLocal ? Date.now() : this.#offset + performance.now();
  }

  /** Notes what the database has said. */
  set(now: number): void {
    this.#readAt = performance.now();
    this.#offset = now - this.#readAt;
  }

  /** Asks the database, if that is long ago. */
  async follow(): Promise<void> {
    if (this.#isLocal || performance.now() - this.#readAt < TRUST_MS) return;
    const now = await this.#read();
    if (now !== null) this.set(now);
  }
}
