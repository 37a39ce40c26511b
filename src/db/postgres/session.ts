import type { Query, SQL } from "drizzle-orm";
import {
  type PgDialect,
  type PgPreparedQuery,
  PgSession,
  type PreparedQueryConfig,
  type SelectedFieldsOrdered,
} from "drizzle-orm/pg-core";
import type { TransactionOptions } from "../contract/database.ts";
import type { RowsMapper } from "../drizzle/session-parts.ts";
import type { Channel } from "../server/channel.ts";
import type { PostgresConnection } from "./connection.ts";
import { PostgresQuery } from "./prepared-query.ts";

/** Drizzle's session on PostgreSQL. Its errors are ours, and hold no values of the query. */
export class PostgresSession extends PgSession {
  readonly #dialect: PgDialect;
  /** Where its queries run. */
  readonly channel: Channel<PostgresConnection>;

  constructor(dialect: PgDialect, channel: Channel<PostgresConnection>) {
    super(dialect);
    this.#dialect = dialect;
    this.channel = channel;
  }

  override prepareQuery<T extends PreparedQueryConfig>(
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    _name: string | undefined,
    isResponseInArrayMode: boolean,
    mapRows?: RowsMapper,
  ): PgPreparedQuery<T> {
    return new PostgresQuery<T>(this.channel, { query, fields, mapRows, isRaw: !isResponseInArrayMode });
  }

  override async count(query: SQL): Promise<number> {
    const { sql, params } = this.#dialect.sqlToQuery(query);
    const [row] = await this.channel.read((connection) => connection.values(sql, params), sql);
    return Number(row?.[0]);
  }

  /** Runs `work` on the session of a new transaction; nested, it is a savepoint. */
  transact<T>(work: (session: PostgresSession) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return this.channel.transact((channel) => work(new PostgresSession(this.#dialect, channel)), options);
  }

  override transaction(): never {
    throw new TypeError('Cannot begin a transaction on a session: use "db.transaction"');
  }
}
