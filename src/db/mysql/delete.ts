import { getTableColumns, type SQL, type Subquery } from "drizzle-orm";
import type { MySqlDialect, MySqlTable } from "drizzle-orm/mysql-core";
import type { WriteResult } from "../contract/database.ts";
import { assertPrimaryKey, lockRows, matchKeys, type ReturnedFields } from "./returning.ts";
import type { MysqlSession } from "./session.ts";
import { MysqlWrite, type Values } from "./write-query.ts";

/** A delete with PostgreSQL's `returning()`. */
export class MysqlDelete extends MysqlWrite {
  readonly #withList: Subquery[] | undefined;
  #where: SQL | undefined;

  constructor(table: MySqlTable, session: MysqlSession, dialect: MySqlDialect, withList?: Subquery[]) {
    super(table, session, dialect);
    this.#withList = withList;
  }

  where(where: SQL | undefined): this {
    this.#where = where;
    return this;
  }

  /** Reads and locks the rows before they are deleted, in one transaction. */
  returning(fields: ReturnedFields = getTableColumns(this.table)): this {
    assertPrimaryKey(this.table);
    this.returned = fields;
    return this;
  }

  override async execute(placeholderValues: Values = {}): Promise<unknown> {
    if (this.returned === null) return this.#write(placeholderValues);
    return this.#readAndDelete(this.returned, placeholderValues);
  }

  override getSQL(): SQL {
    return this.#build(this.#where);
  }

  async #write(placeholderValues: Values): Promise<WriteResult> {
    const { affectedRows } = await this.session.write(this.table, this.getSQL(), placeholderValues);
    return { rowsAffected: affectedRows };
  }

  #readAndDelete(fields: ReturnedFields, placeholderValues: Values): Promise<unknown> {
    const columns = assertPrimaryKey(this.table);
    return this.session.atomically(async (session) => {
      const rows = await lockRows({ session, dialect: this.dialect, table: this.table, fields }, columns, {
        where: this.#where,
        withList: this.#withList,
        placeholderValues,
      });
      const keys = rows.map(({ key }) => key);
      for (const where of matchKeys(columns, keys)) {
        // oxlint-disable-next-line no-await-in-loop -- on one connection
        await session.write(this.table, this.#build(where));
      }
      return rows.map(({ row }) => row);
    });
  }

  #build(where: SQL | undefined): SQL {
    return this.dialect.buildDeleteQuery({
      table: this.table,
      where,
      ...(this.#withList === undefined ? {} : { withList: this.#withList }),
    });
  }
}
