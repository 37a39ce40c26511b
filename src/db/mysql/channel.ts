import type { Pool, PoolConnection, QueryOptions, ResultSetHeader, RowDataPacket } from "mysql2/promise";
import { toBindable } from "../drizzle/bindable.ts";
import { ConstraintError, DatabaseError } from "../contract/database-error.ts";
import type { OpenWork } from "../server/open-work.ts";
import type { OnQuery } from "../contract/query-log.ts";
import { failedQuery, type ServerPlace } from "../server/faults.ts";
import { isRead, type TransactionScope, TransactionState } from "../server/transaction-state.ts";
import { toDuplicateKey, toMysqlFault } from "./faults.ts";
import type { UniqueKey } from "./unique-keys.ts";

export interface ChannelOptions {
  readonly pool: Pool;
  readonly server: ServerPlace;
  readonly scope: TransactionScope;
  readonly work: OpenWork;
  readonly onQuery: OnQuery | null;
}

/** A transaction's connection, shared by its savepoints. */
interface Held {
  readonly connection: PoolConnection;
  /** Set when the server has undone the whole transaction: what followed would be outside of any. */
  isUndone: boolean;
}

/** Runs statements, on the pool or on the connection of a transaction, and turns mysql2's errors into ours. */
export class MysqlChannel {
  readonly options: ChannelOptions;
  /** Null on the pool. */
  readonly state: TransactionState | null;
  readonly #held: Held | null;
  /** How many savepoints it is inside of. */
  readonly #depth: number;

  constructor(
    options: ChannelOptions,
    held: Held | null = null,
    state: TransactionState | null = null,
    depth = 0,
  ) {
    this.options = options;
    this.#held = held;
    this.state = state;
    this.#depth = depth;
  }

  /** Rows by column name. */
  async all(sql: string, parameters: readonly unknown[]): Promise<RowDataPacket[]> {
    const result = await this.#run({ sql }, parameters);
    // A statement without rows, such as a write, has a header.
    return Array.isArray(result) ? (result as RowDataPacket[]) : [];
  }

  /** Rows as arrays, in the order of the selected fields. */
  async rows(sql: string, parameters: readonly unknown[]): Promise<unknown[][]> {
    return (await this.#run({ sql, rowsAsArray: true }, parameters)) as unknown[][];
  }

  /** @param keys the table's, for an error to name the columns of the one that was violated */
  async write(
    sql: string,
    parameters: readonly unknown[],
    keys: readonly UniqueKey[] = [],
  ): Promise<ResultSetHeader> {
    return (await this.#run({ sql }, parameters, keys)) as ResultSetHeader;
  }

  /** Takes a connection and runs `work` in a transaction on it. */
  async begin<T>(
    isolationLevel: string | undefined,
    work: (channel: MysqlChannel) => Promise<T>,
  ): Promise<T> {
    const { pool, server, scope } = this.options;
    scope.assertOutside();
    return this.options.work.run(async () => {
      const connection = await pool.getConnection().catch((error: unknown) => {
        throw toMysqlFault(error, server);
      });
      const held: Held = { connection, isUndone: false };
      const control = new MysqlChannel(this.options, held, new TransactionState());
      let isClean = false;
      try {
        if (isolationLevel !== undefined)
          await control.all(`set transaction isolation level ${isolationLevel}`, []);
        await control.all("start transaction", []);
        const result = await control.#runInside(work);
        await control.all("commit", []);
        isClean = true;
        return result;
      } catch (error) {
        held.isUndone = false;
        isClean = await control.all("rollback", []).then(
          () => true,
          () => false,
        );
        throw error;
      } finally {
        // A connection that could not be cleaned must not serve others.
        if (isClean) connection.release();
        else connection.destroy();
      }
    });
  }

  /** Runs `work` between savepoints of this transaction. */
  nest<T>(state: TransactionState, work: (channel: MysqlChannel) => Promise<T>): Promise<T> {
    return state.nest(async () => {
      // One name a level: a savepoint replaces another of its name.
      const name = `xcore_${this.#depth + 1}`;
      await this.all(`savepoint ${name}`, []);
      try {
        const result = await this.#runInside(work, this.#depth + 1);
        await this.all(`release savepoint ${name}`, []);
        return result;
      } catch (error) {
        // The first error is what counts; where this fails too, the whole transaction is undone.
        await this.all(`rollback to savepoint ${name}`, []).catch(() => {});
        throw error;
      }
    });
  }

  async #runInside<T>(work: (channel: MysqlChannel) => Promise<T>, depth = 0): Promise<T> {
    const state = new TransactionState();
    try {
      const channel = new MysqlChannel(this.options, this.#held, state, depth);
      return await this.options.scope.run(state, () => work(channel));
    } finally {
      state.end();
    }
  }

  async #run(
    query: QueryOptions & { sql: string },
    parameters: readonly unknown[],
    keys: readonly UniqueKey[] = [],
  ): Promise<unknown> {
    const { sql } = query;
    const values = parameters.map((value) => toBindable(value, sql));
    this.state?.assertOpen();
    if (this.#held?.isUndone === true) {
      throw failedQuery("serialization", "its transaction was given up for another one", sql);
    }
    if (this.#held !== null) return this.#send(this.#held.connection, { ...query, values }, keys);
    if (!isRead(sql)) this.options.scope.assertOutside();
    return this.options.work.run(() => this.#send(this.options.pool, { ...query, values }, keys));
  }

  async #send(
    client: Pool | PoolConnection,
    query: QueryOptions & { sql: string; values: unknown[] },
    keys: readonly UniqueKey[],
  ): Promise<unknown> {
    const { server, onQuery } = this.options;
    const start = performance.now();
    try {
      const [result] = await client.query<RowDataPacket[]>(query);
      return result;
    } catch (error) {
      const fault = toMysqlFault(error, server, { sql: query.sql, hasValues: query.values.length > 0 });
      if (fault instanceof DatabaseError && fault.fault === "serialization" && this.#held !== null) {
        this.#held.isUndone = true;
      }
      const violated = keys.find(({ name }) => name === toDuplicateKey(error));
      if (violated === undefined || !(fault instanceof ConstraintError)) throw fault;
      const columns = violated.columns.map(({ name }) => name);
      throw new ConstraintError("unique", { table: fault.table, columns });
    } finally {
      onQuery?.(query.sql, performance.now() - start);
    }
  }
}
