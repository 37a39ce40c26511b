import { fillPlaceholders, type Query } from "drizzle-orm";
import {
  MySqlPreparedQuery,
  type MySqlPreparedQueryConfig,
  type SelectedFieldsOrdered,
} from "drizzle-orm/mysql-core";
import { RawRows, RowMapping } from "../drizzle/row-mapper.ts";
import type { RowsMapper } from "../drizzle/session-parts.ts";
import { type Channel, runOn } from "../server/channel.ts";
import type { MysqlConnection } from "./connection.ts";

export interface MysqlQueryParts {
  readonly query: Query;
  readonly fields: SelectedFieldsOrdered | undefined;
  readonly mapRows: RowsMapper | undefined;
}

/** A query of drizzle that is ready to run, once or many times. */
export class MysqlQuery<T extends MySqlPreparedQueryConfig> extends MySqlPreparedQuery<T> {
  readonly #channel: Channel<MysqlConnection>;
  readonly #parts: MysqlQueryParts;
  #mapping: RowMapping | null = null;
  /** Drizzle's builder of selects sets it: which joined tables always have a row. */
  declare joinsNotNullableMap: Record<string, boolean> | undefined;

  constructor(channel: Channel<MysqlConnection>, parts: MysqlQueryParts) {
    super(undefined, undefined);
    this.#channel = channel;
    this.#parts = parts;
  }

  /** Drizzle's of the other databases have it. */
  getQuery(): Query {
    return this.#parts.query;
  }

  async execute(placeholderValues: Record<string, unknown> = {}): Promise<T["execute"]> {
    const { query, fields, mapRows } = this.#parts;
    const parameters = fillPlaceholders(query.params, placeholderValues);
    if (mapRows !== undefined) return mapRows(await this.#readValues(parameters));
    if (fields === undefined) {
      const { sql } = query;
      return runOn<MysqlConnection, unknown>(this.#channel, sql, (connection) =>
        connection.all(sql, parameters),
      );
    }
    const rows = await this.#readValues(parameters);
    return rows.map(this.#toMapping(fields).toRow);
  }

  /** Runs a select, and leaves it to the caller what is made of its rows. @param parameters in place of its own */
  async raw(parameters?: unknown[]): Promise<RawRows> {
    const { query, fields = [] } = this.#parts;
    const rows = await this.#readValues(parameters ?? fillPlaceholders(query.params, {}));
    return new RawRows(rows, this.#toMapping(fields));
  }

  #readValues(parameters: unknown[]): Promise<unknown[][]> {
    const { sql } = this.#parts.query;
    return runOn(this.#channel, sql, (connection) => connection.values(sql, parameters));
  }

  #toMapping(fields: SelectedFieldsOrdered): RowMapping {
    return (this.#mapping ??= new RowMapping({ fields, isAlwaysThere: this.joinsNotNullableMap }));
  }

  override iterator(): never {
    throw new TypeError("Cannot iterate over a query: it isn't possible on every database; use limit()");
  }
}
