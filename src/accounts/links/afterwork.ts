import type { Logger } from "pino";
import { outside } from "../../db/transactions/ambient.ts";

/** What waits at most: more is somebody's flood, and is left out. */
const MAX_WAITING = 1000;

/**
 * Does what a request has asked for once that is answered, one thing after the other: neither the answer nor its time tells
 * what there was to do, and a flood of requests takes no more than its turn.
 */
export class Afterwork {
  readonly #log: Logger;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param name for the log, where it fails */
  add(name: string, work: () => Promise<void>): void {
    if (this.#waiting >= MAX_WAITING) {
      this.#log.warn({ work: name }, "there is too much to do: it is left out");
      return;
    }
    this.#waiting += 1;
    this.#last = outside(async () => {
      await this.#last;
      // An answer that is ready goes out first.
      await new Promise(setImmediate);
      await work().catch((error: unknown) => this.#log.error({ err: error, work: name }, "it failed"));
      this.#waiting -= 1;
    });
  }

  /** Resolves once all is done. */
  settle(): Promise<void> {
    return this.#last;
  }
}
