import type { Query, SQL, TablesRelationalConfig } from "drizzle-orm";
import { type SelectedFieldsOrdered, type SQLiteExecuteMethod, SQLiteSession } from "drizzle-orm/sqlite-core";
import type { WriteResult } from "../contract/database.ts";
import { assertNoControl } from "../contract/statements.ts";
import type { RowsMapper } from "../drizzle/session-parts.ts";
import type { OwnedOptions } from "../transactions/owner.ts";
import { type Channel, wayOf } from "./channel.ts";
import type { SqliteDialect } from "./dialect.ts";
import { SqliteQuery } from "./prepared-query.ts";
import type { Returning } from "./table-plan.ts";

/** Drizzle's session on SQLite. Its errors are ours, and hold no values of the query. */
export class SqliteSession extends SQLiteSession<
  "async",
  WriteResult,
  Record<string, unknown>,
  TablesRelationalConfig
> {
  readonly #dialect: SqliteDialect;
  /** Where its queries run. */
  readonly channel: Channel;

  constructor(dialect: SqliteDialect, channel: Channel) {
    super(dialect);
    this.#dialect = dialect;
    this.channel = channel;
  }

  override prepareQuery(
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    method: SQLiteExecuteMethod,
    _isArrayMode: boolean,
    mapRows?: RowsMapper,
  ): SqliteQuery {
    return new SqliteQuery(this.channel, { query, method, fields, mapRows });
  }

  /** What `Channel.changeToken` returns. */
  changeToken(): number | null {
    return this.channel.changeToken();
  }

  /** Prepares an insert, an update or a delete whose text was put together of what is kept. */
  prepareKept(query: Query, { fields, mapping }: Returning): SqliteQuery {
    const method = fields === undefined ? "run" : "all";
    return new SqliteQuery(this.channel, {
      query,
      method,
      fields,
      mapRows: undefined,
      mapping,
      way: "write",
    });
  }

  /** Runs SQL of the caller's own; rows by column name. */
  override all<Row = unknown>(query: SQL): Promise<Row[]> {
    const { sql, params } = this.#dialect.sqlToQuery(query);
    const way = wayOf(sql);
    return this.channel[way]((connection) => {
      if (way === "execute") assertNoControl(sql);
      return connection.all(sql, params) as Row[];
    }, sql);
  }

  /** Runs `work` on the session of a new transaction; nested, it is a savepoint. */
  transact<T>(work: (session: SqliteSession) => Promise<T>, options?: OwnedOptions): Promise<T> {
    return this.channel.transact((channel) => work(new SqliteSession(this.#dialect, channel)), options);
  }

  override transaction(): never {
    throw new TypeError('Cannot begin a transaction on a session: use "db.transaction"');
  }
}
