import { fillPlaceholders, type Query } from "drizzle-orm";
import { PgPreparedQuery, type PreparedQueryConfig, type SelectedFieldsOrdered } from "drizzle-orm/pg-core";
import { mapResultRow, type RowsMapper } from "../drizzle/session-parts.ts";
import { type Channel, runOn } from "../server/channel.ts";
import type { PostgresConnection } from "./connection.ts";

export interface PostgresQueryParts {
  readonly query: Query;
  readonly fields: SelectedFieldsOrdered | undefined;
  readonly mapRows: RowsMapper | undefined;
  /** Whether its rows are wanted by name: SQL of the caller's own. */
  readonly isRaw: boolean;
}

/** A query of drizzle that is ready to run, once or many times. */
export class PostgresQuery<T extends PreparedQueryConfig> extends PgPreparedQuery<T> {
  readonly #channel: Channel<PostgresConnection>;
  readonly #parts: PostgresQueryParts;
  /** Drizzle's builder of selects sets it: which joined tables always have a row. */
  declare joinsNotNullableMap: Record<string, boolean> | undefined;

  constructor(channel: Channel<PostgresConnection>, parts: PostgresQueryParts) {
    super(parts.query, undefined, undefined);
    this.#channel = channel;
    this.#parts = parts;
  }

  async execute(placeholderValues: Record<string, unknown> = {}): Promise<T["execute"]> {
    const { query, fields, mapRows, isRaw } = this.#parts;
    const { sql } = query;
    const parameters = fillPlaceholders(query.params, placeholderValues);
    const readValues = (): Promise<unknown[][]> =>
      runOn(this.#channel, sql, (connection) => connection.values(sql, parameters));
    if (mapRows !== undefined) return mapRows(await readValues());
    if (fields === undefined) {
      return runOn<PostgresConnection, unknown>(this.#channel, sql, (connection) =>
        connection[isRaw ? "all" : "write"](sql, parameters),
      );
    }
    const rows = await readValues();
    return rows.map((row) => mapResultRow(fields, row, this.joinsNotNullableMap));
  }
}
