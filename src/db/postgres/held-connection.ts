/**
 * The connection of a transaction. When it is lost, postgres.js 3.4.9 still takes queries for it, even its own
 * "rollback", and ends the process as it writes them to a socket that is gone. So nothing is sent any more.
 *
 * @see https://github.com/porsager/postgres/issues/1208
 */
export class HeldConnection {
  readonly #lost = Promise.withResolvers<never>();
  #fault: unknown = null;

  constructor() {
    this.#lost.promise.catch(() => {});
  }

  /** @throws what it was lost by */
  assertAlive(): void {
    if (this.#fault !== null) throw this.#fault;
  }

  lose(fault: unknown): void {
    this.#fault ??= fault;
    this.#lost.reject(this.#fault);
  }

  /** Settles as `work` does, or rejects as soon as the connection is lost. */
  orLost<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#lost.promise]);
  }

  /** Settles as `work` does, but never once the connection is lost: postgres.js would go on to end the transaction. */
  async whileAlive<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      if (this.#fault !== null) await new Promise<never>(() => {});
    }
  }
}
