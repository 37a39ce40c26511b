import { fillPlaceholders, type Query, type SQL } from "drizzle-orm";
import {
  type MySqlDialect,
  type MySqlPreparedQueryConfig,
  type MySqlPreparedQueryHKT,
  MySqlSession,
  type MySqlTable,
  type PreparedQueryKind,
  type SelectedFieldsOrdered,
} from "drizzle-orm/mysql-core";
import type { ResultSetHeader } from "mysql2/promise";
import type { TransactionOptions } from "../contract/database.ts";
import type { RowsMapper } from "../drizzle/session-parts.ts";
import { type Channel, runOn } from "../server/channel.ts";
import type { MysqlConnection } from "./connection.ts";
import { MysqlQuery } from "./prepared-query.ts";
import { uniqueKeysOf } from "./unique-keys.ts";

/** Drizzle's session on MySQL and MariaDB. Its errors are ours, and hold no values of the query. */
export class MysqlSession extends MySqlSession {
  readonly #dialect: MySqlDialect;
  /** Where its queries run. */
  readonly channel: Channel<MysqlConnection>;
  readonly #isInTransaction: boolean;

  constructor(dialect: MySqlDialect, channel: Channel<MysqlConnection>, isInTransaction = false) {
    super(dialect);
    this.#dialect = dialect;
    this.channel = channel;
    this.#isInTransaction = isInTransaction;
  }

  override prepareQuery<T extends MySqlPreparedQueryConfig, HKT extends MySqlPreparedQueryHKT>(
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    mapRows?: RowsMapper,
  ): PreparedQueryKind<HKT, T> {
    return new MysqlQuery<T>(this.channel, { query, fields, mapRows });
  }

  /** Runs SQL of the caller's own; rows by column name. */
  override all<T = unknown>(query: SQL): Promise<T[]> {
    const { sql, params } = this.#dialect.sqlToQuery(query);
    const task = (connection: MysqlConnection) => connection.all(sql, params) as Promise<unknown[]>;
    return runOn(this.channel, sql, task) as Promise<T[]>;
  }

  override async count(query: SQL): Promise<number> {
    const { sql, params } = this.#dialect.sqlToQuery(query);
    const [row] = await this.channel.read((connection) => connection.values(sql, params), sql);
    return Number(row?.[0]);
  }

  /** Runs a statement that writes into `table`. */
  write(
    table: MySqlTable,
    statement: SQL,
    placeholderValues: Record<string, unknown> = {},
  ): Promise<ResultSetHeader> {
    const { sql, params } = this.#dialect.sqlToQuery(statement);
    const parameters = fillPlaceholders(params, placeholderValues);
    return this.channel.write((connection) => connection.write(sql, parameters, uniqueKeysOf(table)), sql);
  }

  /** Runs `work` on the session of this transaction, or of a new one. */
  atomically<T>(work: (session: MysqlSession) => Promise<T>): Promise<T> {
    return this.#isInTransaction ? work(this) : this.transact(work);
  }

  /** Runs `work` on the session of a new transaction; nested, it is a savepoint. */
  transact<T>(work: (session: MysqlSession) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return this.channel.transact((channel) => work(new MysqlSession(this.#dialect, channel, true)), options);
  }

  override transaction(): never {
    throw new TypeError('Cannot begin a transaction on a session: use "db.transaction"');
  }
}
