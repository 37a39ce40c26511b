import { fillPlaceholders, type Query } from "drizzle-orm";
import {
  MySqlPreparedQuery,
  type MySqlPreparedQueryConfig,
  type SelectedFieldsOrdered,
} from "drizzle-orm/mysql-core";
import { mapResultRow, type RowsMapper } from "../drizzle/session-parts.ts";
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
  /** Drizzle's builder of selects sets it: which joined tables always have a row. */
  declare joinsNotNullableMap: Record<string, boolean> | undefined;

  constructor(channel: Channel<MysqlConnection>, parts: MysqlQueryParts) {
    super(undefined, undefined);
    this.#channel = channel;
    this.#parts = parts;
  }

  async execute(placeholderValues: Record<string, unknown> = {}): Promise<T["execute"]> {
    const { query, fields, mapRows } = this.#parts;
    const { sql } = query;
    const parameters = fillPlaceholders(query.params, placeholderValues);
    const readValues = (): Promise<unknown[][]> =>
      runOn(this.#channel, sql, (connection) => connection.values(sql, parameters));
    if (mapRows !== undefined) return mapRows(await readValues());
    if (fields === undefined) {
      return runOn<MysqlConnection, unknown>(this.#channel, sql, (connection) =>
        connection.all(sql, parameters),
      );
    }
    const rows = await readValues();
    return rows.map((row) => mapResultRow(fields, row, this.joinsNotNullableMap));
  }

  override iterator(): never {
    throw new TypeError("Cannot iterate over a query: it isn't possible on every database; use limit()");
  }
}
