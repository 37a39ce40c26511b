import { fillPlaceholders, type Query, type SQL } from "drizzle-orm";
import { PgDatabase, type PgDialect, PgPreparedQuery, PgSession, PgTransaction } from "drizzle-orm/pg-core";
import type { PgQueryResultHKT, PreparedQueryConfig, SelectedFieldsOrdered } from "drizzle-orm/pg-core";
import type { TransactionOptions, WriteResult } from "../contract/database.ts";
import { mapResultRow } from "../drizzle/internals.ts";
import type { RelationalSchema } from "../drizzle/relational-schema.ts";
import { withRetries } from "../server/retries.ts";
import type { PostgresChannel } from "./channel.ts";

type RowsMapper = (rows: unknown[][], mapColumnValue?: (value: unknown) => unknown) => unknown;

interface QueryShape {
  readonly fields: SelectedFieldsOrdered | undefined;
  readonly mapper: RowsMapper | undefined;
  /** A query whose rows are wanted by name: SQL of one's own. */
  readonly isRaw: boolean;
}

class PostgresQuery<T extends PreparedQueryConfig> extends PgPreparedQuery<T> {
  readonly #channel: PostgresChannel;
  readonly #query: Query;
  readonly #shape: QueryShape;
  /** Set by drizzle's select builder, which names it so. */
  declare joinsNotNullableMap: Record<string, boolean> | undefined;

  constructor(channel: PostgresChannel, query: Query, shape: QueryShape) {
    super(query, undefined, undefined);
    this.#channel = channel;
    this.#query = query;
    this.#shape = shape;
  }

  async execute(placeholderValues: Record<string, unknown> = {}): Promise<T["execute"]> {
    const { fields, mapper, isRaw } = this.#shape;
    const { sql } = this.#query;
    const parameters = fillPlaceholders(this.#query.params, placeholderValues);
    if (mapper !== undefined) return mapper(await this.#channel.rows(sql, parameters));
    if (fields !== undefined) {
      const rows = await this.#channel.rows(sql, parameters);
      return rows.map((row) => mapResultRow(fields, row, this.joinsNotNullableMap));
    }
    const result = await this.#channel.run(sql, parameters);
    return isRaw ? [...result] : ({ rowsAffected: result.count } satisfies WriteResult);
  }
}

/** Drizzle's session on PostgreSQL. Its errors are ours, and hold no values of the query. */
export class PostgresSession extends PgSession {
  readonly #dialect: PgDialect;
  readonly #channel: PostgresChannel;
  readonly #schema: RelationalSchema;

  constructor(dialect: PgDialect, channel: PostgresChannel, schema: RelationalSchema) {
    super(dialect);
    this.#dialect = dialect;
    this.#channel = channel;
    this.#schema = schema;
  }

  override prepareQuery<T extends PreparedQueryConfig>(
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    _name: string | undefined,
    isResponseInArrayMode: boolean,
    mapper?: RowsMapper,
  ): PgPreparedQuery<T> {
    return new PostgresQuery<T>(this.#channel, query, { fields, mapper, isRaw: !isResponseInArrayMode });
  }

  override async count(query: SQL): Promise<number> {
    const { sql, params } = this.#dialect.sqlToQuery(query);
    const [row] = await this.#channel.rows(sql, params);
    return Number(row?.[0]);
  }

  /** Nested, it is a savepoint. */
  // oxlint-disable-next-line typescript/no-explicit-any -- drizzle's own signature; Database is what is typed
  override transaction<T>(work: (tx: any) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const run = (channel: PostgresChannel): Promise<T> => {
      const session = new PostgresSession(this.#dialect, channel, this.#schema);
      return work(new PostgresTransaction(this.#dialect, session, this.#schema));
    };
    if (this.#channel.isInTransaction) return this.#channel.nest(run);
    const { isolationLevel, retries = 0 } = options;
    const mode = isolationLevel === undefined ? "" : `isolation level ${isolationLevel}`;
    return withRetries(retries, () => this.#channel.begin(mode, run));
  }
}

/** Drizzle's PostgreSQL database on our session. */
export class PostgresDatabase extends PgDatabase<PgQueryResultHKT> {}

class PostgresTransaction extends PgTransaction<PgQueryResultHKT> {
  readonly #session: PostgresSession;

  constructor(dialect: PgDialect, session: PostgresSession, schema: RelationalSchema) {
    super(dialect, session, schema as never);
    this.#session = session;
  }

  override transaction<T>(work: (tx: PostgresTransaction) => Promise<T>): Promise<T> {
    return this.#session.transaction(work);
  }
}
