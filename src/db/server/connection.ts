import { type DatabaseError, isFault } from "../contract/database-error.ts";
import type { WriteTracker } from "../writes/feed.ts";

/** What a server is told to end by itself, in ms. */
export interface ServerLimits {
  readonly statementMs: number;
  readonly transactionMs: number;
}

/** A statement under way. */
interface Call {
  readonly since: number;
  readonly reject: (error: unknown) => void;
}

/** One connection to a server. What it is asked settles when it is lost at the latest, whatever its driver does. */
export abstract class ServerConnection {
  readonly #calls = new Set<Call>();
  readonly #openedAt = performance.now();
  #settledAt = 0;
  #loss: DatabaseError | null = null;
  /** When it was last given back to the pool, by `performance.now()`; 0 while it is in use. */
  idleSince = 0;
  /** Whether its statements are in a transaction. */
  isInTransaction = false;
  /** Whether a statement may have left something on it that nobody else may get. */
  isChanged = false;
  /** What the server knows it by; null where something stands between that has connections of its own. */
  serverId: number | null = null;
  /** Follows what is written; null where nobody wants to know. */
  writes: WriteTracker | null = null;

  /** Why it can't be used any more; null while it can. */
  get loss(): DatabaseError | null {
    return this.#loss;
  }

  /** How long it has been open, in ms. */
  get ageMs(): number {
    return performance.now() - this.#openedAt;
  }

  /** Since when it owes an answer, by `performance.now()`; null when it owes none. */
  get waitingSince(): number | null {
    // The server takes one statement after another: each has its time from the end of the one before it.
    for (const { since } of this.#calls) return Math.max(since, this.#settledAt);
    return null;
  }

  /** Connects and makes ready. @throws DatabaseError */
  abstract connect(): Promise<void>;

  /** Resolves when the server answers. @throws DatabaseError */
  abstract ping(): Promise<void>;

  /** Runs a statement without rows, such as COMMIT. @throws DatabaseError */
  abstract control(statement: string): Promise<void>;

  /** Says more about what a transaction failed by, once that is rolled back. @returns the same error */
  abstract explain(error: unknown): Promise<unknown>;

  /** Asks which of these connections run no statement, and for how many seconds they haven't. @throws DatabaseError */
  abstract findIdle(serverIds: readonly number[]): Promise<ReadonlyMap<number, number>>;

  /** Has the server end another connection. @throws DatabaseError */
  abstract terminate(serverId: number): Promise<void>;

  /** Says goodbye and closes it. */
  abstract end(): Promise<void>;

  /** Closes it now. Whatever waits for it is rejected. */
  lose(reason: DatabaseError): void {
    if (this.#loss !== null) return;
    this.#loss = reason;
    for (const { reject } of this.#calls) reject(reason);
    this.#calls.clear();
    this.destroy();
  }

  /** Closes the socket, without a word to the server. */
  protected abstract destroy(): void;

  /** Says what an error of the driver means. */
  protected abstract toFault(error: unknown, sql: string | undefined, hasValues: boolean): unknown;

  /** Sends a statement and waits for what comes of it. Where the error says that the connection is gone, it is lost. */
  protected call<T>(
    send: () => PromiseLike<T>,
    { sql, hasValues = false }: { readonly sql: string; readonly hasValues?: boolean },
  ): Promise<T> {
    if (this.#loss !== null) return Promise.reject(this.#loss);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const call: Call = { since: performance.now(), reject };
    this.#calls.add(call);
    send().then(
      (result) => {
        this.#settle(call);
        resolve(result);
      },
      (error: unknown) => {
        this.#settle(call);
        const fault = this.toFault(error, sql, hasValues);
        if (isFault(fault, "unavailable")) this.lose(fault);
        reject(fault);
      },
    );
    if (this.writes?.isHeard === true) this.#follow(promise, sql, this.writes);
    return promise;
  }

  /** Before whoever waits for the statement goes on. */
  #follow(answer: Promise<unknown>, sql: string, writes: WriteTracker): void {
    answer.then(
      () => writes.noteRun(sql, this.isInTransaction),
      () => this.#loss !== null && writes.noteLoss(sql, this.isInTransaction),
    );
  }

  #settle(call: Call): void {
    this.#calls.delete(call);
    if (this.#calls.size > 0) this.#settledAt = performance.now();
  }
}
