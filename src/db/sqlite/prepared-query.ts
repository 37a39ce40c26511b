import type { Query } from "drizzle-orm";
import {
  type PreparedQueryConfig,
  type SelectedFieldsOrdered,
  type SQLiteExecuteMethod,
  SQLitePreparedQuery,
} from "drizzle-orm/sqlite-core";
import type { WriteResult } from "../contract/database.ts";
import { type JsonWriter, RawRows, RowMapping } from "../drizzle/row-mapper.ts";
import type { RowsMapper } from "../drizzle/session-parts.ts";
import { toTimeText } from "../drizzle/time-text.ts";
import { toAggregate } from "../schema/aggregates.ts";
import { declarationOf } from "../schema/column-kind.ts";
import { type Channel, type Task, type Way, wayOf } from "./channel.ts";
import { needsReading, readResult } from "./exact-numbers.ts";
import {
  createParameterFiller,
  type ParameterFiller,
  type PlaceholderValues,
} from "./connection/parameters.ts";

interface AsyncQueryConfig extends PreparedQueryConfig {
  type: "async";
}

export interface PreparedQueryParts {
  readonly query: Query;
  readonly method: SQLiteExecuteMethod;
  readonly fields: SelectedFieldsOrdered | undefined;
  readonly mapRows: RowsMapper | undefined;
  /** Where it is kept from an earlier query. @default found out from `fields` */
  readonly mapping?: RowMapping | undefined;
  /** @default found out from the text */
  readonly way?: Way;
}

/** A query of drizzle that is ready to run, once or many times. */
export class SqliteQuery extends SQLitePreparedQuery<AsyncQueryConfig> {
  readonly #channel: Channel;
  readonly #parts: PreparedQueryParts;
  readonly #way: Way;
  readonly #fill: ParameterFiller | null;
  #mapping: RowMapping | undefined;
  /** Drizzle's builder of selects sets it: which joined tables always have a row. */
  declare joinsNotNullableMap: Record<string, boolean> | undefined;

  constructor(channel: Channel, parts: PreparedQueryParts) {
    super("async", parts.method, parts.query);
    this.#channel = channel;
    this.#parts = parts;
    this.#way = parts.way ?? wayOf(parts.query.sql);
    this.#mapping = parts.mapping;
    this.#fill = createParameterFiller(parts.query.params, parts.query.sql);
  }

  run(placeholders?: PlaceholderValues): Promise<WriteResult> {
    return this.#submit((connection) => connection.write(this.query.sql, this.#toParameters(placeholders)));
  }

  all(placeholders?: PlaceholderValues): Promise<unknown> {
    const { fields, mapRows } = this.#parts;
    return this.#submit((connection) => {
      const parameters = this.#toParameters(placeholders);
      if (mapRows !== undefined) return mapRows(connection.values(this.query.sql, parameters));
      if (fields === undefined) return connection.all(this.query.sql, parameters);
      return connection.values(this.query.sql, parameters).map(this.#toMapping(fields).toRow);
    });
  }

  /** Runs a select, and leaves it to the caller what is made of its rows. @param parameters in place of its own */
  raw(parameters?: unknown[]): Promise<RawRows> {
    const mapping = this.#toMapping(this.#parts.fields ?? []);
    return this.#submit(
      (connection) =>
        new RawRows(connection.values(this.query.sql, parameters ?? this.#toParameters(undefined)), mapping),
    );
  }

  get(placeholders?: PlaceholderValues): Promise<unknown> {
    const { fields, mapRows } = this.#parts;
    return this.#submit((connection) => {
      const [row] = connection.values(this.query.sql, this.#toParameters(placeholders));
      if (row === undefined) return undefined;
      if (mapRows !== undefined) return mapRows([row]);
      return fields === undefined ? row : this.#toMapping(fields).toRow(row);
    });
  }

  values(placeholders?: PlaceholderValues): Promise<unknown[][]> {
    return this.#submit((connection) => connection.values(this.query.sql, this.#toParameters(placeholders)));
  }

  #submit<T>(task: Task<T>): Promise<T> {
    return this.#channel[this.#way](task, this.query.sql);
  }

  #toParameters(placeholders: PlaceholderValues | undefined): unknown[] {
    return this.#fill === null ? this.query.params : this.#fill(placeholders);
  }

  #toMapping(fields: SelectedFieldsOrdered): RowMapping {
    return (this.#mapping ??= new RowMapping({
      fields,
      isAlwaysThere: this.joinsNotNullableMap,
      readerOf: toResultReader,
      writerOf: timeWriterOf,
    }));
  }
}

function toResultReader(field: unknown): ((value: unknown) => unknown) | null {
  const aggregate = toAggregate(field);
  return aggregate !== null && needsReading(aggregate) ? (value) => readResult(aggregate, value) : null;
}

/** Returns what writes the times of a column, which SQLite holds as numbers; null for any other field. */
function timeWriterOf(field: unknown): JsonWriter | null {
  if (declarationOf(field)?.kind.type !== "timestamp") return null;
  return (value) => (typeof value === "number" ? toTimeText(value) : null);
}
