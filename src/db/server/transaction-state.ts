import { AsyncLocalStorage } from "node:async_hooks";

/** Says of one transaction or savepoint whether its `tx` may be used. */
export class TransactionState {
  #isOver = false;
  #hasNested = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  /** @throws TypeError once it has ended: its connection may serve others by then */
  assertOpen(): void {
    if (!this.#isOver) return;
    throw new TypeError("Cannot query with this transaction: it has ended; await every query inside of it");
  }

  /**
   * Runs a nested transaction. Two at once would undo each other's writes, as savepoints are a stack.
   *
   * @throws TypeError when another one is under way
   */
  async nest<T>(run: () => Promise<T>): Promise<T> {
    this.assertOpen();
    if (this.#hasNested) {
      throw new TypeError("Cannot begin a nested transaction: another one is under way; await it first");
    }
    this.#hasNested = true;
    try {
      return await run();
    } finally {
      this.#hasNested = false;
    }
  }

  end(): void {
    this.#isOver = true;
  }
}

/** Knows which code runs inside a transaction of one database. */
export class TransactionScope {
  readonly #storage = new AsyncLocalStorage<TransactionState>();

  /** Runs the work of a transaction or savepoint, which has ended then. */
  async run<T>(state: TransactionState, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#storage.run(state, work);
    } finally {
      state.end();
    }
  }

  /**
   * Keeps `db` from writing inside its own transaction: not part of it, the write would stay when it is undone,
   * wait for its locks for ever or, on SQLite, for its end.
   *
   * @throws TypeError
   */
  assertOutside(): void {
    const state = this.#storage.getStore();
    if (state === undefined || state.isOver) return;
    throw new TypeError('Cannot write with "db" inside of a transaction: use the "tx" that it is given');
  }
}
