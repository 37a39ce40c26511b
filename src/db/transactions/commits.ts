/** What hears of the commit of the transaction that some code is part of. */
export interface CommitListening {
  /** Calls `listener` once what is written now is committed: at once outside of a transaction, never where it is undone. */
  afterCommit(listener: () => void): void;
}

/** Those that wait for the commit of one transaction. */
export class CommitListeners {
  readonly #listeners: (() => void)[] = [];

  add(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Tells all of them. */
  tell(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

const channels = new WeakMap<object, CommitListening>();

/** Remembers which channel the `tx` of a callback writes to; returns it. */
export function noteTransaction<Tx extends object>(tx: Tx, channel: CommitListening): Tx {
  channels.set(tx, channel);
  return tx;
}

/** Returns what a driver's `afterCommit` does, on what its statements run on outside of transactions. */
export function createAfterCommit(channel: CommitListening): (listener: () => void, tx?: object) => void {
  return (listener, tx) => {
    const noted = tx === undefined ? channel : channels.get(tx);
    if (noted === undefined) {
      throw new TypeError(
        "Cannot use it as a transaction: it isn't the `tx` that db.transaction() gives its callback",
      );
    }
    noted.afterCommit(listener);
  };
}
