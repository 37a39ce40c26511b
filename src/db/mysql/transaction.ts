import type { Pool } from "mysql2/promise";
import { isFault } from "../contract/database-error.ts";
import { failedQuery } from "../contract/faults.ts";
import type { Channel, Task } from "../server/channel.ts";
import { type TransactionScope, TransactionState } from "../server/transaction-state.ts";
import { type ConnectionOptions, MysqlConnection } from "./connection.ts";
import { toMysqlFault } from "./faults.ts";

export interface TransactionSettings extends ConnectionOptions {
  readonly scope: TransactionScope;
  readonly isolationLevel: string | undefined;
}

/** The connection of a transaction, shared by its savepoints. */
interface Held {
  readonly connection: MysqlConnection;
  readonly scope: TransactionScope;
  /** Set when the server has undone the whole transaction: further statements would run outside of any. */
  isUndone: boolean;
}

/**
 * One open transaction, or one savepoint in it: the queries of its `tx` run through it, and are refused once it has
 * ended.
 */
export class OpenTransaction implements Channel<MysqlConnection> {
  readonly #held: Held;
  /** How many savepoints it is inside of. */
  readonly #depth: number;
  readonly #state = new TransactionState();

  private constructor(held: Held, depth: number) {
    this.#held = held;
    this.#depth = depth;
  }

  /** Runs `work` between START TRANSACTION and COMMIT; rolls back when either fails. */
  static async run<T>(
    client: Pool,
    settings: TransactionSettings,
    work: (transaction: OpenTransaction) => Promise<T>,
  ): Promise<T> {
    const { server, scope, isolationLevel } = settings;
    const taken = await client.getConnection().catch((error: unknown) => {
      throw toMysqlFault(error, server);
    });
    const connection = new MysqlConnection(taken, settings);
    const transaction = new OpenTransaction({ connection, scope, isUndone: false }, 0);
    let isClean = false;
    try {
      if (isolationLevel !== undefined) {
        await connection.all(`set transaction isolation level ${isolationLevel}`);
      }
      await connection.all("start transaction");
      const result = await scope.run(transaction.#state, () => work(transaction));
      transaction.#assertKept();
      await connection.all("commit");
      isClean = true;
      return result;
    } catch (error) {
      isClean = await connection.all("rollback").then(
        () => true,
        () => false,
      );
      throw error;
    } finally {
      // A connection that could not be cleaned must not serve others.
      if (isClean) taken.release();
      else taken.destroy();
    }
  }

  /** Runs `work` in a savepoint: what it wrote stays or is undone as a whole. */
  transact<T>(work: (savepoint: OpenTransaction) => Promise<T>): Promise<T> {
    return this.#state.nest(async () => {
      const savepoint = new OpenTransaction(this.#held, this.#depth + 1);
      // One name a level: a savepoint replaces another of its name.
      const name = `xcore_${savepoint.#depth}`;
      await this.#control(`savepoint ${name}`);
      try {
        const result = await this.#held.scope.run(savepoint.#state, () => work(savepoint));
        await this.#control(`release savepoint ${name}`);
        return result;
      } catch (error) {
        // The first error is what counts; where this fails too, the whole transaction is undone.
        await this.#control(`rollback to savepoint ${name}`).catch(() => {});
        throw error;
      }
    });
  }

  read<T>(task: Task<MysqlConnection, T>): Promise<T> {
    return this.write(task);
  }

  async write<T>(task: Task<MysqlConnection, T>): Promise<T> {
    this.#state.assertOpen();
    this.#assertKept();
    try {
      return await task(this.#held.connection);
    } catch (error) {
      if (isFault(error, "serialization")) this.#held.isUndone = true;
      throw error;
    }
  }

  async #control(statement: string): Promise<void> {
    await this.write((connection) => connection.all(statement));
  }

  /** @throws DatabaseError once the server has undone the transaction */
  #assertKept(): void {
    if (!this.#held.isUndone) return;
    throw failedQuery("serialization", "its transaction was given up for another one");
  }
}
