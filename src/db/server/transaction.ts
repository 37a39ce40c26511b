import { ConstraintError, DatabaseError, isFault } from "../contract/database-error.ts";
import { failedQuery } from "../contract/faults.ts";
import { CommitListeners } from "../transactions/commits.ts";
import type { TransactionLimit } from "../transactions/limit.ts";
import type { Channel, Task } from "./channel.ts";
import type { ServerConnection } from "./connection.ts";
import { toUnknownOutcome } from "./faults.ts";
import { type TransactionScope, TransactionState } from "./transaction-state.ts";

/** How a database begins transactions, and what a failed statement does to one. */
export interface TransactionSyntax {
  /** The statements that begin one. */
  readonly begin: (isolation: string | undefined) => readonly string[];
  /** Whether a statement that fails undoes the whole transaction, or the savepoint that it is in. */
  readonly undoesBy: (fault: unknown) => "all" | "savepoint" | null;
  /** Whether the server commits before it runs a statement. */
  readonly isCommittedBy: (sql: string) => boolean;
}

export interface TransactionSettings {
  readonly scope: TransactionScope;
  readonly syntax: TransactionSyntax;
  readonly isolation: string | undefined;
  readonly limit: TransactionLimit;
}

/** What a transaction shares with its savepoints. */
interface Held<C> extends TransactionSettings {
  readonly connection: C;
  readonly commits: CommitListeners;
  /** Set when the server has undone the whole transaction: further statements would run outside of any. */
  isUndone: boolean;
}

/**
 * One open transaction, or one savepoint in it: the queries of its `tx` run through it, and are refused once it has
 * ended.
 */
export class OpenTransaction<C extends ServerConnection> implements Channel<C> {
  readonly #held: Held<C>;
  /** How many savepoints it is inside of. */
  readonly #depth: number;
  readonly #state = new TransactionState();
  /** What a statement failed by where that undoes all that stands beside it, whoever caught it. */
  #failure: unknown = null;

  private constructor(held: Held<C>, depth: number) {
    this.#held = held;
    this.#depth = depth;
  }

  /** Runs `work` between BEGIN and COMMIT; rolls back when either fails, or at its limit. */
  static run<C extends ServerConnection, T>(
    connection: C,
    settings: TransactionSettings,
    work: (transaction: OpenTransaction<C>) => Promise<T>,
  ): Promise<T> {
    const transaction = new OpenTransaction(
      { ...settings, connection, commits: new CommitListeners(), isUndone: false },
      0,
    );
    return settings.limit.enforce(
      () => transaction.#run(work),
      (reason) => connection.lose(reason),
    );
  }

  /** Runs `work` in a savepoint: what it wrote stays or is undone as a whole. */
  transact<T>(work: (savepoint: OpenTransaction<C>) => Promise<T>): Promise<T> {
    return this.#state.nest(async () => {
      const savepoint = new OpenTransaction(this.#held, this.#depth + 1);
      // One name a level: a savepoint replaces another of its name.
      const name = `xcore_${savepoint.#depth}`;
      await this.#control(`savepoint ${name}`);
      try {
        const result = await savepoint.#work(work);
        await this.#control(`release savepoint ${name}`);
        return result;
      } catch (error) {
        // The first error is what counts; where this fails too, the whole transaction is undone.
        await this.#control(`rollback to savepoint ${name}`).catch(() => {});
        throw error;
      }
    });
  }

  afterCommit(listener: () => void): void {
    this.#held.commits.add(listener);
  }

  read<T>(task: Task<C, T>): Promise<T> {
    return this.write(task);
  }

  async write<T>(task: Task<C, T>): Promise<T> {
    const { limit, connection } = this.#held;
    if (limit.reason !== null) throw limit.reason;
    this.#state.assertOpen();
    this.#assertKept();
    return await this.#send(() => task(connection));
  }

  async execute<T>(task: Task<C, T>, sql: string): Promise<T> {
    if (this.#held.syntax.isCommittedBy(sql)) {
      throw new TypeError(
        "Cannot run this query inside of a transaction: MySQL would commit what was written before it; run it outside",
      );
    }
    return await this.write(task);
  }

  async #run<T>(work: (transaction: this) => Promise<T>): Promise<T> {
    const { connection, syntax, isolation, limit } = this.#held;
    connection.isInTransaction = true;
    try {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      for (const statement of syntax.begin(isolation)) await connection.control(statement);
      const result = await this.#work(work);
      limit.release();
      await this.#commit();
      return result;
    } catch (error) {
      if (connection.loss === null) await this.#rollBack();
      throw await connection.explain(error);
    } finally {
      connection.isInTransaction = false;
    }
  }

  async #work<T>(work: (transaction: this) => Promise<T>): Promise<T> {
    const result = await this.#held.scope.run(this.#state, () => work(this));
    this.#assertKept();
    if (this.#failure !== null) throw this.#failure;
    return result;
  }

  async #commit(): Promise<void> {
    try {
      await this.#held.connection.control("commit");
    } catch (error) {
      const fault = toUnknownOutcome(error);
      if (isFault(fault, "outcome")) this.#held.commits.tell(); // it may be there
      throw fault;
    }
    this.#held.commits.tell();
  }

  /** A connection that can't be cleaned must not serve others. */
  async #rollBack(): Promise<void> {
    const { connection } = this.#held;
    await connection.control("rollback").catch(() => {
      connection.lose(new DatabaseError("unavailable", "Cannot query: the transaction can't be rolled back"));
    });
  }

  /** For statements of its own, after `work` has ended. */
  async #control(statement: string): Promise<void> {
    const { limit, connection } = this.#held;
    if (limit.reason !== null) throw limit.reason;
    this.#assertKept();
    await this.#send(() => connection.control(statement));
  }

  async #send<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      const undone = this.#held.syntax.undoesBy(error);
      if (undone === "all") this.#held.isUndone = true;
      if (undone === "savepoint") this.#failure ??= error;
      throw error;
    }
  }

  /** @throws DatabaseError once the server has undone the transaction */
  #assertKept(): void {
    if (!this.#held.isUndone) return;
    throw failedQuery("serialization", "its transaction was given up for another one");
  }
}

/** Whether an error is what the server answered to a statement. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ConstraintError || (error instanceof DatabaseError && !isFault(error, "parameter"));
}
