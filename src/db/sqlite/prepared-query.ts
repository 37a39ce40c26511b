import type { Query } from "drizzle-orm";
import {
  type PreparedQueryConfig,
  type SelectedFieldsOrdered,
  type SQLiteExecuteMethod,
  SQLitePreparedQuery,
} from "drizzle-orm/sqlite-core";
import type { WriteResult } from "../contract/database.ts";
import { isRead } from "../contract/statements.ts";
import type { RowsMapper } from "../drizzle/session-parts.ts";
import type { Channel, Task } from "./channel.ts";
import { createParameterFiller, type ParameterFiller, type PlaceholderValues } from "./parameters.ts";
import { createRowMapper, type RowMapper } from "./row-mapper.ts";

interface AsyncQueryConfig extends PreparedQueryConfig {
  type: "async";
}

export interface PreparedQueryParts {
  readonly query: Query;
  readonly method: SQLiteExecuteMethod;
  readonly fields: SelectedFieldsOrdered | undefined;
  readonly mapRows: RowsMapper | undefined;
}

/** A query of drizzle that is ready to run, once or many times. */
export class SqliteQuery extends SQLitePreparedQuery<AsyncQueryConfig> {
  readonly #channel: Channel;
  readonly #parts: PreparedQueryParts;
  readonly #isRead: boolean;
  readonly #fill: ParameterFiller | null;
  #mapRow: RowMapper | null = null;
  /** Drizzle's builder of selects sets it: which joined tables always have a row. */
  declare joinsNotNullableMap: Record<string, boolean> | undefined;

  constructor(channel: Channel, parts: PreparedQueryParts) {
    super("async", parts.method, parts.query);
    this.#channel = channel;
    this.#parts = parts;
    this.#isRead = isRead(parts.query.sql);
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
      return connection.values(this.query.sql, parameters).map(this.#toMapper(fields));
    });
  }

  get(placeholders?: PlaceholderValues): Promise<unknown> {
    const { fields, mapRows } = this.#parts;
    return this.#submit((connection) => {
      const [row] = connection.values(this.query.sql, this.#toParameters(placeholders));
      if (row === undefined) return undefined;
      if (mapRows !== undefined) return mapRows([row]);
      return fields === undefined ? row : this.#toMapper(fields)(row);
    });
  }

  values(placeholders?: PlaceholderValues): Promise<unknown[][]> {
    return this.#submit((connection) => connection.values(this.query.sql, this.#toParameters(placeholders)));
  }

  #submit<T>(task: Task<T>): Promise<T> {
    return this.#isRead ? this.#channel.read(task) : this.#channel.write(task);
  }

  #toParameters(placeholders: PlaceholderValues | undefined): unknown[] {
    return this.#fill === null ? this.query.params : this.#fill(placeholders);
  }

  #toMapper(fields: SelectedFieldsOrdered): RowMapper {
    return (this.#mapRow ??= createRowMapper(fields, this.joinsNotNullableMap));
  }
}
