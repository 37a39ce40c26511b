import type { Query, SQL, TablesRelationalConfig } from "drizzle-orm";
import {
  type SelectedFieldsOrdered,
  type SQLiteAsyncDialect,
  type SQLiteExecuteMethod,
  SQLiteSession,
} from "drizzle-orm/sqlite-core";
import type { WriteResult } from "../contract/database.ts";
import { type Access, isReading } from "./access.ts";
import type { Row } from "./connection.ts";
import { PreparedQuery, type RowsMapper } from "./prepared-query.ts";

/** Runs what drizzle builds, on the open database or in one transaction. */
export class Session extends SQLiteSession<
  "async",
  WriteResult,
  Record<string, unknown>,
  TablesRelationalConfig
> {
  readonly #access: Access;
  readonly #dialect: SQLiteAsyncDialect;

  constructor(access: Access, dialect: SQLiteAsyncDialect) {
    super(dialect);
    this.#access = access;
    this.#dialect = dialect;
  }

  prepareQuery(
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    method: SQLiteExecuteMethod,
    _isArrayMode: boolean,
    mapRows?: RowsMapper,
  ): PreparedQuery {
    return new PreparedQuery(this.#access, { query, method, fields, mapRows });
  }

  /** Runs SQL of the caller's own; rows by column name. */
  execute(query: SQL): Promise<Row[]> {
    const { sql, params } = this.#dialect.sqlToQuery(query);
    return isReading(sql)
      ? this.#access.read((connection) => connection.all(sql, params))
      : this.#access.write((connection) => connection.all(sql, params));
  }

  transaction(): never {
    throw new TypeError("Cannot open a transaction on a session: use transaction() of the database");
  }
}
