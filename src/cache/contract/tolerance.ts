import type { Logger } from "pino";

export interface ToleranceOptions {
  readonly log: Logger;
  /** The server as the log calls it: "Redis". */
  readonly product: string;
  /** Whether the server has answered with this error; those of one that is away are logged by its connection. */
  readonly isRefusal: (error: unknown) => boolean;
}

/** Lets the cache go without what its server doesn't do. That it refuses is logged once, until it does something again. */
export class Tolerance {
  readonly #options: ToleranceOptions;
  #hasComplained = false;

  constructor(options: ToleranceOptions) {
    this.#options = options;
  }

  /** Where the server is away, or refuses, there is `instead`. */
  async run<T, U>(work: () => Promise<T>, instead: () => U): Promise<T | U> {
    try {
      const result = await work();
      this.#hasComplained = false;
      return result;
    } catch (error) {
      if (this.#options.isRefusal(error)) this.#complain(error);
      return instead();
    }
  }

  #complain(error: unknown): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    const { log, product } = this.#options;
    log.warn({ err: error }, `${product} refuses what the cache asks for: it goes without`);
  }
}
