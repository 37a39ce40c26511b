import type postgres from "postgres";
import { isFault } from "../contract/database-error.ts";
import type { Channel, Task } from "../server/channel.ts";
import { type TransactionScope, TransactionState } from "../server/transaction-state.ts";
import { type ConnectionOptions, PostgresConnection } from "./connection.ts";
import { toPostgresFault } from "./faults.ts";
import { explainFault } from "./references.ts";

export interface TransactionSettings extends ConnectionOptions {
  readonly scope: TransactionScope;
  readonly isolationLevel: string | undefined;
}

/**
 * One open transaction, or one savepoint in it: the queries of its `tx` run through it, and are refused once it has
 * ended.
 */
export class OpenTransaction implements Channel<PostgresConnection> {
  readonly #client: postgres.TransactionSql;
  readonly #settings: TransactionSettings;
  readonly #connection: PostgresConnection;
  readonly #held: HeldConnection;
  readonly #state = new TransactionState();

  private constructor(client: postgres.TransactionSql, settings: TransactionSettings, held: HeldConnection) {
    this.#client = client;
    this.#settings = settings;
    this.#connection = new PostgresConnection(client, settings);
    this.#held = held;
  }

  /** Runs `work` between BEGIN and COMMIT; rolls back when either fails. */
  static async run<T>(
    client: postgres.Sql,
    settings: TransactionSettings,
    work: (transaction: OpenTransaction) => Promise<T>,
  ): Promise<T> {
    const { server, isolationLevel } = settings;
    const held = new HeldConnection();
    try {
      const run = (inner: postgres.TransactionSql): Promise<T> =>
        new OpenTransaction(inner, settings, held).#work(work);
      return (await client.begin(
        isolationLevel === undefined ? "" : `isolation level ${isolationLevel}`,
        run,
      )) as T;
    } catch (error) {
      const fault = held.loseBy(toPostgresFault(error, server));
      throw await explainFault(fault, client);
    }
  }

  /** Runs `work` in a savepoint: what it wrote stays or is undone as a whole. */
  transact<T>(work: (savepoint: OpenTransaction) => Promise<T>): Promise<T> {
    return this.#state.nest(async () => {
      this.#held.assertAlive();
      const nested = this.#client.savepoint((inner) =>
        new OpenTransaction(inner, this.#settings, this.#held).#work(work),
      );
      try {
        return (await this.#held.orLost(nested)) as T;
      } catch (error) {
        throw toPostgresFault(error, this.#settings.server);
      }
    });
  }

  read<T>(task: Task<PostgresConnection, T>): Promise<T> {
    return this.write(task);
  }

  async write<T>(task: Task<PostgresConnection, T>): Promise<T> {
    this.#state.assertOpen();
    this.#held.assertAlive();
    try {
      return await task(this.#connection);
    } catch (error) {
      throw this.#held.loseBy(error);
    }
  }

  #work<T>(work: (transaction: OpenTransaction) => Promise<T>): Promise<T> {
    return this.#held.whileAlive(this.#settings.scope.run(this.#state, () => work(this)));
  }
}

/**
 * The connection of a transaction. When it is lost, postgres.js 3.4.9 still takes queries for it, even its own
 * "rollback", and ends the process as it writes them to a socket that is gone. So nothing is sent any more.
 *
 * @see https://github.com/porsager/postgres/issues/1208
 */
class HeldConnection {
  readonly #lost = Promise.withResolvers<never>();
  #fault: unknown = null;

  constructor() {
    this.#lost.promise.catch(() => {});
  }

  /** @throws the fault by which the connection was lost */
  assertAlive(): void {
    if (this.#fault !== null) throw this.#fault;
  }

  /** Notes the loss where the fault says that the connection is gone. @returns the fault */
  loseBy(fault: unknown): unknown {
    if (!isFault(fault, "unavailable")) return fault;
    this.#fault ??= fault;
    this.#lost.reject(this.#fault);
    return fault;
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
