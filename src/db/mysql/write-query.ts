import { QueryPromise, type SQL } from "drizzle-orm";
import type { MySqlDialect, MySqlTable } from "drizzle-orm/mysql-core";
import type { ReturnedFields } from "./returning.ts";
import type { MysqlSession } from "./session.ts";

/** Values by the names of placeholders, and of a row by its columns. */
export type Values = Record<string, unknown>;

/** What an insert, an update and a delete have in common: they can be asked for, prepared and shown. */
export abstract class MysqlWrite extends QueryPromise<unknown> {
  protected readonly table: MySqlTable;
  protected readonly session: MysqlSession;
  protected readonly dialect: MySqlDialect;
  /** What `returning()` asks for. */
  protected returned: ReturnedFields | null = null;

  constructor(table: MySqlTable, session: MysqlSession, dialect: MySqlDialect) {
    super();
    this.table = table;
    this.session = session;
    this.dialect = dialect;
  }

  abstract override execute(placeholderValues?: Values): Promise<unknown>;

  abstract getSQL(): SQL;

  prepare(_name?: string): { execute: (placeholderValues?: Values) => Promise<unknown> } {
    return { execute: (placeholderValues) => this.execute(placeholderValues) };
  }

  toSQL(): { sql: string; params: unknown[] } {
    const { sql, params } = this.dialect.sqlToQuery(this.getSQL());
    return { sql, params };
  }

  $dynamic(): this {
    return this;
  }
}
