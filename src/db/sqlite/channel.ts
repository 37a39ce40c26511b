import { AsyncLocalStorage } from "node:async_hooks";
import { isFault } from "../contract/database-error.ts";
import { retryWhileBusy } from "./connection/busy.ts";
import type { SqliteConnection } from "./connection/connection.ts";
import { TransactionLimit, type TransactionLimitOptions } from "../transactions/limit.ts";
import type { OwnedOptions } from "../transactions/owner.ts";
import { EventLoopTurn } from "./event-loop-turn.ts";
import type { SqlitePool } from "./connection/pool.ts";
import { OpenTransaction } from "./transaction.ts";
import { WriterLock } from "./writer-lock.ts";

/** Work on a connection that runs to its end at once. */
export type Task<T> = (connection: SqliteConnection) => T;

/** Where the statements of a session run: on the open database, or in one transaction. */
export interface Channel {
  /** Runs a task that only reads. */
  read<T>(task: Task<T>): Promise<T>;
  /** Runs a task that may write. */
  write<T>(task: Task<T>): Promise<T>;
  /** Runs `work` in a transaction; inside of one, in a savepoint. */
  transact<T>(work: (channel: Channel) => Promise<T>, options?: OwnedOptions): Promise<T>;
}

export interface ChannelOptions {
  /** How long a write waits for its turn, and for other processes, in ms. */
  readonly waitMs: number;
  readonly transactions: TransactionLimitOptions;
}

/**
 * The open database: reads go to the reading connection at once, writes and transactions to the writing one,
 * one after another. Where another process has locked the file they wait without blocking the event loop.
 */
export class SqliteChannel implements Channel {
  readonly #reader: SqliteConnection;
  readonly #writer: SqliteConnection;
  readonly #waitMs: number;
  readonly #transactions: TransactionLimitOptions;
  readonly #turn = new EventLoopTurn();
  readonly #lock: WriterLock;
  /** The work that holds the writer lock, seen from inside it, to tell when a write would wait for itself. */
  readonly #holder = new AsyncLocalStorage<{ holds: boolean }>();

  constructor({ reader, writer }: SqlitePool, { waitMs, transactions }: ChannelOptions) {
    this.#reader = reader;
    this.#writer = writer;
    this.#waitMs = waitMs;
    this.#transactions = transactions;
    this.#lock = new WriterLock(this.#turn, waitMs);
  }

  /** Counts what may have been committed by this process. */
  get writes(): number {
    return this.#lock.releases;
  }

  read<T>(task: Task<T>): Promise<T> {
    if (this.#turn.isLong()) return this.#readLater(task);
    try {
      return Promise.resolve(task(this.#reader));
    } catch (error) {
      return isFault(error, "busy") ? this.#readLater(task) : Promise.reject(error);
    }
  }

  write<T>(task: Task<T>): Promise<T> {
    if (!this.#lock.tryAcquire()) return this.withWriter(() => this.#patiently(() => this.#writeNow(task)));
    try {
      const result = this.#writeNow(task);
      this.#lock.release();
      return Promise.resolve(result);
    } catch (error) {
      if (!isFault(error, "busy")) {
        this.#lock.release();
        return Promise.reject(error);
      }
      return this.#patiently(() => this.#writeNow(task)).finally(() => this.#lock.release());
    }
  }

  transact<T>(work: (channel: Channel) => Promise<T>, { owner }: OwnedOptions = {}): Promise<T> {
    const limit = new TransactionLimit(this.#transactions, owner);
    return this.withWriter(async (writer) => {
      await this.#patiently(() => writer.write("begin immediate", []));
      return OpenTransaction.run({ writer, turn: this.#turn, limit }, work);
    });
  }

  /** Runs `work` while nobody else of this process writes. @throws DatabaseError "busy" */
  async withWriter<T>(work: (writer: SqliteConnection) => Promise<T>): Promise<T> {
    this.assertNotHolder();
    await this.#lock.acquire();
    const holder = { holds: true };
    try {
      return await this.#holder.run(holder, work, this.#writer);
    } finally {
      holder.holds = false;
      this.#lock.release();
    }
  }

  /** Refuses what would wait for its own caller. @throws TypeError */
  assertNotHolder(): void {
    if (this.#holder.getStore()?.holds !== true) return;
    throw new TypeError(
      "Cannot write through `db` inside its transaction, or close it: that would wait for itself; use the `tx` that the callback gets",
    );
  }

  async #readLater<T>(task: Task<T>): Promise<T> {
    await this.#turn.next();
    return this.#patiently(() => task(this.#reader));
  }

  #writeNow<T>(task: Task<T>): T {
    const result = task(this.#writer);
    if (!this.#writer.isInTransaction) return result;
    // Left open by a BEGIN, it would take in the writes of all others and lose them together.
    this.#writer.write("rollback", []);
    throw new TypeError("Cannot run BEGIN or SAVEPOINT as a query: use db.transaction()");
  }

  #patiently<T>(run: () => T): Promise<T> {
    return retryWhileBusy(run, this.#waitMs);
  }
}
