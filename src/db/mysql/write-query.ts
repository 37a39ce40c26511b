import { QueryPromise, type SQL, type Subquery } from "drizzle-orm";
import type { MySqlDialect, MySqlTable } from "drizzle-orm/mysql-core";
import { assertPrimaryKey, type FoundRow, lockRows, matchKeys, type ReturnedFields } from "./returning.ts";
import type { MysqlSession } from "./session.ts";

/** Values by the names of placeholders, and of a row by its columns. */
export type Values = Record<string, unknown>;

/** The table that is written into, and what runs the statements. */
export interface WriteTarget {
  readonly table: MySqlTable;
  readonly session: MysqlSession;
  readonly dialect: MySqlDialect;
  /** What `with()` was given. */
  readonly withList?: Subquery[];
}

/** What an insert, an update and a delete have in common: they can be asked for, prepared and shown. */
export abstract class MysqlWrite extends QueryPromise<unknown> {
  protected readonly target: WriteTarget;
  protected readonly table: MySqlTable;
  /** What `returning()` asks for. */
  protected returned: ReturnedFields | null = null;

  constructor(target: WriteTarget) {
    super();
    this.target = target;
    this.table = target.table;
  }

  abstract override execute(placeholderValues?: Values): Promise<unknown>;

  abstract getSQL(): SQL;

  prepare(_name?: string): { execute: (placeholderValues?: Values) => Promise<unknown> } {
    return { execute: (placeholderValues) => this.execute(placeholderValues) };
  }

  toSQL(): { sql: string; params: unknown[] } {
    const { sql, params } = this.target.dialect.sqlToQuery(this.getSQL());
    return { sql, params };
  }

  $dynamic(): this {
    return this;
  }
}

/** What an update and a delete have in common: they are about rows that are there. */
export abstract class MysqlChange extends MysqlWrite {
  #where: SQL | undefined;

  where(where: SQL | undefined): this {
    this.#where = where;
    return this;
  }

  override getSQL(): SQL {
    return this.build(this.#where);
  }

  protected abstract build(where: SQL | undefined): SQL;

  /**
   * Finds the rows, locks them and writes.
   *
   * @param session that of a transaction
   * @returns the rows as they were
   */
  protected async writeFound(
    session: MysqlSession,
    fields: ReturnedFields,
    placeholderValues: Values,
  ): Promise<FoundRow[]> {
    const { table, withList } = this.target;
    const columns = assertPrimaryKey(table);
    const found = await lockRows({ ...this.target, session, fields }, columns, {
      where: this.#where,
      withList,
      placeholderValues,
    });
    const keys = found.map(({ key }) => key);
    for (const where of matchKeys(columns, keys)) {
      // oxlint-disable-next-line no-await-in-loop -- on one connection
      await session.write(table, this.build(where), placeholderValues);
    }
    return found;
  }
}
