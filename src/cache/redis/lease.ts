import type { Entry, Lease } from "../contract/store.ts";

/**
 * So long others wait for who has died, or whose right was granted by a Redis whose answer was lost: nobody knows then that
 * it was.
 */
export const LEASE_MS = 1500;

/** The right to make a value, prolonged while it is being made. Its token is null where Redis is away: everybody makes it. */
export class RedisLease implements Lease {
  readonly isTaken = false;
  readonly #token: string | null;
  readonly found: Entry | undefined;
  readonly #end: (() => Promise<void>) | null;
  readonly #timer: NodeJS.Timeout | null;

  constructor(
    token: string | null,
    found: Entry | undefined,
    lock: { prolong(): Promise<void>; end(): Promise<void> } | null,
  ) {
    this.#token = token;
    this.found = found;
    this.#end = lock === null ? null : () => lock.end();
    this.#timer = lock === null ? null : setInterval(() => void lock.prolong(), LEASE_MS / 3);
    this.#timer?.unref();
  }

  /** Returns the token for the last command that needs it. */
  use(): string | null {
    if (this.#timer !== null) clearInterval(this.#timer);
    return this.#token;
  }

  release(): void {
    this.use();
    void this.#end?.();
  }
}
