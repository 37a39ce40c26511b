import type { Logger } from "pino";
import { DatabaseError } from "../contract/database-error.ts";
import type { TransactionOwner } from "./owner.ts";

export interface TransactionLimitOptions {
  /** How long a transaction may be open, in ms. */
  readonly timeoutMs: number;
  /** Told of each that was open for longer. */
  readonly log: Logger;
}

/**
 * What ends a transaction before its work does: its limit, or its owner. Made where it is asked for, so that the log can
 * say where that was.
 */
export class TransactionLimit {
  readonly #options: TransactionLimitOptions;
  readonly #owner: TransactionOwner | null;
  readonly #begun: Error;
  #reason: DatabaseError | null = null;
  #timer: NodeJS.Timeout | null = null;
  #letGo: (() => void) | null = null;

  constructor(
    options: TransactionLimitOptions,
    owner: TransactionOwner | null = null,
    begun = new Error("The transaction was begun here"),
  ) {
    this.#options = options;
    this.#owner = owner;
    this.#begun = begun;
  }

  /** Returns one for the next try of the same transaction. */
  renew(): TransactionLimit {
    return new TransactionLimit(this.#options, this.#owner, this.#begun);
  }

  /** Why it was ended; null while it wasn't. */
  get reason(): DatabaseError | null {
    return this.#reason;
  }

  /**
   * Settles as `work` does. Where the transaction is ended before, `undo` is called and this rejects at once, whatever
   * `work` still does.
   */
  enforce<T>(work: () => Promise<T>, undo: (reason: DatabaseError) => void): Promise<T> {
    const refusal = this.#owner?.refusal ?? null;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const end = (reason: DatabaseError): void => {
      this.#reason = reason;
      this.release();
      reject(reason);
      try {
        undo(reason);
      } catch (error) {
        this.#options.log.error({ err: error }, "a transaction that was ended can't be rolled back");
      }
    };
    if (refusal !== null) {
      end(refusal);
      return promise;
    }
    this.#timer = setTimeout(() => end(this.#toTimeout()), this.#options.timeoutMs);
    this.#timer.unref();
    this.#letGo = this.#owner?.hold(end) ?? null;
    work()
      .finally(() => this.release())
      .then(resolve, reject);
    return promise;
  }

  /** Lets it end by itself: it is being committed. */
  release(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#letGo?.();
  }

  #toTimeout(): DatabaseError {
    const { timeoutMs, log } = this.#options;
    const place = this.#owner?.locate(this.#begun) ?? null;
    const fields = { plugin: this.#owner?.plugin, ...(place === null ? { err: this.#begun } : { place }) };
    const seconds = `${timeoutMs / 1000} s`;
    log.error(
      fields,
      `a transaction was open for ${seconds}, and was rolled back: await nothing slow inside it`,
    );
    return new DatabaseError(
      "timeout",
      `Cannot go on with the transaction: it was open for ${seconds} ("database.transaction_timeout"), and was rolled back; await nothing slow inside it`,
    );
  }
}
