const MAX_RESERVE_MS = 5000; // for what follows the requests

/**
 * The time that stopping has, which all of its stages share: requests under way get most of it, the teardowns of plugins
 * and the closing of the database what is left.
 */
export class Shutdown {
  readonly #requests = new AbortController();
  readonly #teardowns = new AbortController();
  readonly #over = Promise.withResolvers<"late">();
  #requestsUntil = Number.POSITIVE_INFINITY;

  /** Aborted when requests are waited for no longer. */
  get requests(): AbortSignal {
    return this.#requests.signal;
  }

  /** Aborted when teardowns are waited for no longer. */
  get teardowns(): AbortSignal {
    return this.#teardowns.signal;
  }

  /** Resolves when all of the time is over. */
  get over(): Promise<"late"> {
    return this.#over.promise;
  }

  /** How long requests are still waited for, in ms. */
  get requestsLeftMs(): number {
    return Math.max(0, this.#requestsUntil - performance.now());
  }

  /** Starts the clock: all of it ends `timeoutMs` from now. */
  begin(timeoutMs: number): void {
    const reserveMs = Math.min(MAX_RESERVE_MS, timeoutMs / 3);
    this.#requestsUntil = performance.now() + timeoutMs - reserveMs;
    setTimeout(() => this.#requests.abort(new Error("the server stops")), timeoutMs - reserveMs);
    setTimeout(() => this.#teardowns.abort(new Error("the server stops")), timeoutMs - reserveMs / 2);
    setTimeout(() => this.#over.resolve("late"), timeoutMs);
  }
}

/** Resolves once `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
