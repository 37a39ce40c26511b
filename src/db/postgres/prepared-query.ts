import { fillPlaceholders, type Query } from "drizzle-orm";
import { PgPreparedQuery, type PreparedQueryConfig, type SelectedFieldsOrdered } from "drizzle-orm/pg-core";
import { RawRows, RowMapping } from "../drizzle/row-mapper.ts";
import type { RowsMapper } from "../drizzle/session-parts.ts";
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
  #mapping: RowMapping | null = null;
  /** Drizzle's builder of selects sets it: which joined tables always have a row. */
  declare joinsNotNullableMap: Record<string, boolean> | undefined;

  constructor(channel: Channel<PostgresConnection>, parts: PostgresQueryParts) {
    super(parts.query, undefined, undefined);
    this.#channel = channel;
    this.#parts = parts;
  }

  async execute(placeholderValues: Record<string, unknown> = {}): Promise<T["execute"]> {
    const { query, fields, mapRows, isRaw } = this.#parts;
    const parameters = fillPlaceholders(query.params, placeholderValues);
    if (mapRows !== undefined) return mapRows(await this.#readValues(parameters));
    if (fields === undefined) {
      const { sql } = query;
      return runOn<PostgresConnection, unknown>(this.#channel, sql, (connection) =>
        connection[isRaw ? "all" : "write"](sql, parameters),
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
}
