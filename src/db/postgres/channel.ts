import type postgres from "postgres";
import { toBindable } from "../drizzle/bindable.ts";
import { DatabaseError } from "../contract/database-error.ts";
import type { OnQuery } from "../contract/query-log.ts";
import type { ServerPlace } from "../server/faults.ts";
import { isRead, type TransactionScope, TransactionState } from "../server/transaction-state.ts";
import { toPostgresFault } from "./faults.ts";
import { HeldConnection } from "./held-connection.ts";
import type { PostgresPool } from "./pool.ts";

type Rows = postgres.RowList<postgres.Row[]>;
type Client = postgres.Sql | postgres.TransactionSql;

export interface ChannelOptions {
  readonly pool: PostgresPool;
  readonly server: ServerPlace;
  readonly scope: TransactionScope;
  /** Whether statements are prepared on the connection, and kept. */
  readonly prepare: boolean;
  readonly onQuery: OnQuery | null;
}

/** What a channel inside of a transaction has. */
interface Inside {
  readonly client: postgres.TransactionSql;
  readonly connection: HeldConnection;
  readonly state: TransactionState;
}

/** Runs statements, on the pool or on the connection of a transaction, and turns postgres.js's errors into ours. */
export class PostgresChannel {
  readonly #options: ChannelOptions;
  readonly #inside: Inside | null;

  constructor(options: ChannelOptions, inside: Inside | null = null) {
    this.#options = options;
    this.#inside = inside;
  }

  /** Rows by column name, and how many rows a write has touched. */
  run(sql: string, parameters: readonly unknown[]): Promise<Rows> {
    return this.#query(sql, (client) => this.#send(client, sql, parameters));
  }

  /** Rows as arrays, in the order of the selected fields. */
  rows(sql: string, parameters: readonly unknown[]): Promise<unknown[][]> {
    return this.#query(sql, (client) => this.#send(client, sql, parameters).values());
  }

  get isInTransaction(): boolean {
    return this.#inside !== null;
  }

  /** Runs `work` in a transaction on a connection of the pool. */
  begin<T>(mode: string, work: (channel: PostgresChannel) => Promise<T>): Promise<T> {
    const { pool, scope } = this.#options;
    scope.assertOutside();
    const begin = async (client: postgres.Sql): Promise<T> => {
      const connection = new HeldConnection();
      try {
        return (await client.begin(mode, (inner) => this.#runInside(inner, connection, work))) as T;
      } catch (error) {
        const fault = this.#toFault(error);
        if (isLost(fault)) connection.lose(fault);
        throw fault;
      }
    };
    return pool.use(begin, isLost);
  }

  /** Runs `work` in a savepoint of this transaction. */
  nest<T>(work: (channel: PostgresChannel) => Promise<T>): Promise<T> {
    const inside = this.#inside;
    if (inside === null) throw new TypeError("Cannot begin a savepoint: there is no transaction");
    const { client, connection, state } = inside;
    return state.nest(async () => {
      connection.assertAlive();
      const nested = client.savepoint((inner) => this.#runInside(inner, connection, work));
      try {
        return (await connection.orLost(nested)) as T;
      } catch (error) {
        throw this.#toFault(error);
      }
    });
  }

  #runInside<T>(
    client: postgres.TransactionSql,
    connection: HeldConnection,
    work: (channel: PostgresChannel) => Promise<T>,
  ): Promise<T> {
    const state = new TransactionState();
    const channel = new PostgresChannel(this.#options, { client, connection, state });
    const run = async (): Promise<T> => {
      try {
        return await this.#options.scope.run(state, () => work(channel));
      } finally {
        state.end();
      }
    };
    return connection.whileAlive(run());
  }

  #send(client: Client, sql: string, parameters: readonly unknown[]): postgres.PendingQuery<postgres.Row[]> {
    const options = { prepare: this.#options.prepare, simple: false };
    const values = parameters.map((value) => toBindable(value, sql));
    // What drizzle hands over is encoded already; the types of postgres.js know no such values.
    return client.unsafe(sql, values as postgres.ParameterOrJSON<never>[], options);
  }

  async #query<T>(sql: string, send: (client: Client) => PromiseLike<T>): Promise<T> {
    const { pool, scope, onQuery } = this.#options;
    const inside = this.#inside;
    const start = onQuery === null ? 0 : performance.now();
    const run = async (client: Client): Promise<T> => {
      try {
        return await send(client);
      } catch (error) {
        const fault = this.#toFault(error, sql);
        if (isLost(fault)) inside?.connection.lose(fault);
        throw fault;
      } finally {
        onQuery?.(sql, performance.now() - start);
      }
    };
    if (inside === null) {
      if (!isRead(sql)) scope.assertOutside();
      return pool.use(run, isLost);
    }
    inside.state.assertOpen();
    inside.connection.assertAlive();
    return run(inside.client);
  }

  #toFault(error: unknown, sql?: string): unknown {
    return toPostgresFault(error, this.#options.server, sql);
  }
}

function isLost(error: unknown): boolean {
  return error instanceof DatabaseError && error.fault === "unavailable";
}
