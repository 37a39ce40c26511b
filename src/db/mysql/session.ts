import { fillPlaceholders, type Query, type SQL } from "drizzle-orm";
import { type MySqlDialect, MySqlPreparedQuery, MySqlSession, type MySqlTable } from "drizzle-orm/mysql-core";
import type {
  MySqlPreparedQueryConfig,
  PreparedQueryKind,
  SelectedFieldsOrdered,
} from "drizzle-orm/mysql-core";
import type { MySqlPreparedQueryHKT } from "drizzle-orm/mysql-core";
import type { ResultSetHeader } from "mysql2/promise";
import type { TransactionOptions } from "../contract/database.ts";
import { mapResultRow } from "../drizzle/internals.ts";
import type { RelationalSchema } from "../drizzle/relational-schema.ts";
import { withRetries } from "../server/retries.ts";
import type { MysqlChannel } from "./channel.ts";
import { uniqueKeysOf } from "./unique-keys.ts";

type RowsMapper = (rows: unknown[][]) => unknown;

class MysqlQuery<T extends MySqlPreparedQueryConfig> extends MySqlPreparedQuery<T> {
  readonly #channel: MysqlChannel;
  readonly #query: Query;
  readonly #fields: SelectedFieldsOrdered | undefined;
  readonly #mapper: RowsMapper | undefined;
  /** Set by drizzle's select builder, which names it so. */
  declare joinsNotNullableMap: Record<string, boolean> | undefined;

  constructor(
    channel: MysqlChannel,
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    mapper: RowsMapper | undefined,
  ) {
    super(undefined, undefined);
    this.#channel = channel;
    this.#query = query;
    this.#fields = fields;
    this.#mapper = mapper;
  }

  async execute(placeholderValues: Record<string, unknown> = {}): Promise<T["execute"]> {
    const { sql } = this.#query;
    const parameters = fillPlaceholders(this.#query.params, placeholderValues);
    const fields = this.#fields;
    if (this.#mapper !== undefined) return this.#mapper(await this.#channel.rows(sql, parameters));
    if (fields === undefined) return this.#channel.all(sql, parameters);
    const rows = await this.#channel.rows(sql, parameters);
    return rows.map((row) => mapResultRow(fields, row, this.joinsNotNullableMap));
  }

  override iterator(): never {
    throw new TypeError("Cannot iterate over a query: it isn't possible on every database; use limit()");
  }
}

/** Drizzle's session on MySQL and MariaDB. Its errors are ours, and hold no values of the query. */
export class MysqlSession extends MySqlSession {
  readonly #dialect: MySqlDialect;
  readonly #channel: MysqlChannel;
  readonly #schema: RelationalSchema;

  constructor(dialect: MySqlDialect, channel: MysqlChannel, schema: RelationalSchema) {
    super(dialect);
    this.#dialect = dialect;
    this.#channel = channel;
    this.#schema = schema;
  }

  override prepareQuery<T extends MySqlPreparedQueryConfig, HKT extends MySqlPreparedQueryHKT>(
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    mapper?: RowsMapper,
  ): PreparedQueryKind<HKT, T> {
    return new MysqlQuery<T>(this.#channel, query, fields, mapper);
  }

  override async all<T = unknown>(query: SQL): Promise<T[]> {
    const { sql, params } = this.#dialect.sqlToQuery(query);
    return (await this.#channel.all(sql, params)) as T[];
  }

  override async count(query: SQL): Promise<number> {
    const { sql, params } = this.#dialect.sqlToQuery(query);
    const [row] = await this.#channel.rows(sql, params);
    return Number(row?.[0]);
  }

  /** Runs a statement that writes into `table`. */
  async write(
    table: MySqlTable,
    statement: SQL,
    placeholderValues: Record<string, unknown> = {},
  ): Promise<ResultSetHeader> {
    const { sql, params } = this.#dialect.sqlToQuery(statement);
    return this.#channel.write(sql, fillPlaceholders(params, placeholderValues), uniqueKeysOf(table));
  }

  /** Runs `work` on the session of this transaction, or of a new one. */
  atomically<T>(work: (session: MysqlSession) => Promise<T>): Promise<T> {
    if (this.#channel.state !== null) return work(this);
    return this.#channel.begin(undefined, (channel) => work(this.#on(channel)));
  }

  /** Runs `work` on the session of a new transaction; nested, it is a savepoint. */
  transact<T>(work: (session: MysqlSession) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const run = (channel: MysqlChannel): Promise<T> => work(this.#on(channel));
    const { state } = this.#channel;
    if (state !== null) return this.#channel.nest(state, run);
    return withRetries(options.retries ?? 0, () => this.#channel.begin(options.isolationLevel, run));
  }

  override transaction(): never {
    throw new TypeError('Cannot begin a transaction on a session: use "db.transaction"');
  }

  #on(channel: MysqlChannel): MysqlSession {
    return new MysqlSession(this.#dialect, channel, this.#schema);
  }
}
