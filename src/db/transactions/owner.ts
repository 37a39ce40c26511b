import { DatabaseError } from "../contract/database-error.ts";
import type { TransactionOptions } from "../contract/database.ts";

/** What drivers are given beside what callers say. */
export interface OwnedOptions extends TransactionOptions {
  readonly owner?: TransactionOwner;
  /** Whether all that its work asks of the database is part of it, whichever `db` it asks. @default false */
  readonly isAmbient?: boolean;
}

export interface OwnerOptions {
  /** Whose transactions they are. */
  readonly plugin: string;
  /** Returns the place in the plugin's source that an error comes from, such as "plugins/blog/run.ts:12". */
  readonly locate: (error: Error) => string | null;
}

/** A plugin as it begins transactions: none of them outlives it. */
export class TransactionOwner {
  readonly plugin: string;
  readonly locate: OwnerOptions["locate"];
  readonly #open = new Set<(reason: DatabaseError) => void>();
  #refusal: DatabaseError | null = null;

  constructor({ plugin, locate }: OwnerOptions) {
    this.plugin = plugin;
    this.locate = locate;
  }

  /**
   * Takes a transaction that begins.
   *
   * @param end rolls it back
   * @returns lets go of it, once it is over
   */
  hold(end: (reason: DatabaseError) => void): () => void {
    this.#open.add(end);
    return () => this.#open.delete(end);
  }

  /** Why no transaction may begin any more; null while they may. */
  get refusal(): DatabaseError | null {
    return this.#refusal;
  }

  /** Rolls back every transaction that is open; no other begins from now on. */
  end(): void {
    const reason = new DatabaseError(
      "unavailable",
      `Cannot go on with the transaction: plugin "${this.plugin}" was unloaded, and what it wrote is rolled back`,
    );
    this.#refusal = reason;
    for (const end of this.#open) end(reason);
  }
}
