import { AsyncLocalStorage } from "node:async_hooks";

/** Knows the transaction that all queries of some code are part of, whichever `db` they are made with. */
export class AmbientTransaction<Channel> {
  readonly #storage = new AsyncLocalStorage<{ channel: Channel | null }>();
  /** While there are none, nobody looks. */
  #open = 0;

  /** The one that the code which asks is part of; null for none, and once it has ended. */
  get current(): Channel | null {
    return this.#open === 0 ? null : (this.#storage.getStore()?.channel ?? null);
  }

  /** Has all queries of `work` run on a channel. */
  async run<T>(channel: Channel, work: () => Promise<T>): Promise<T> {
    const held: { channel: Channel | null } = { channel };
    this.#open += 1;
    try {
      return await this.#storage.run(held, work);
    } finally {
      held.channel = null;
      this.#open -= 1;
    }
  }
}

/**
 * Runs work as nobody's: not for the request, and not in the transaction, that happens to bring it about. What it begins
 * may outlast both.
 */
// As it was when this was loaded, which is when the database is opened.
export const outside = AsyncLocalStorage.snapshot() as <T>(work: () => T) => T;
