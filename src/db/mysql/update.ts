import { getTableColumns, getTableName, type SQL, type Subquery } from "drizzle-orm";
import type { MySqlDialect, MySqlTable } from "drizzle-orm/mysql-core";
import type { WriteResult } from "../contract/database.ts";
import { mapUpdateSet } from "../drizzle/session-parts.ts";
import { assertPrimaryKey, lockRows, matchKeys, readRows, type ReturnedFields } from "./returning.ts";
import type { MysqlSession } from "./session.ts";
import { MysqlWrite, type Values } from "./write-query.ts";

export class MysqlUpdateBuilder {
  readonly #table: MySqlTable;
  readonly #session: MysqlSession;
  readonly #dialect: MySqlDialect;
  readonly #withList: Subquery[] | undefined;

  constructor(table: MySqlTable, session: MysqlSession, dialect: MySqlDialect, withList?: Subquery[]) {
    this.#table = table;
    this.#session = session;
    this.#dialect = dialect;
    this.#withList = withList;
  }

  set(values: Values): MysqlUpdate {
    const set = mapUpdateSet(this.#table, values);
    return new MysqlUpdate(this.#table, set, this.#session, this.#dialect, this.#withList);
  }
}

/** An update with PostgreSQL's `returning()`. */
export class MysqlUpdate extends MysqlWrite {
  readonly #set: Record<string, SQL>;
  readonly #withList: Subquery[] | undefined;
  #where: SQL | undefined;

  constructor(
    table: MySqlTable,
    set: Record<string, SQL>,
    session: MysqlSession,
    dialect: MySqlDialect,
    withList: Subquery[] | undefined,
  ) {
    super(table, session, dialect);
    this.#set = set;
    this.#withList = withList;
  }

  where(where: SQL | undefined): this {
    this.#where = where;
    return this;
  }

  /** Finds the rows, locks them and reads them again after the update, in one transaction. */
  returning(fields: ReturnedFields = getTableColumns(this.table)): this {
    const columns = assertPrimaryKey(this.table);
    const changed = Object.entries(getTableColumns(this.table)).find(
      ([name, column]) => this.#set[name] !== undefined && columns.includes(column),
    );
    if (changed !== undefined) {
      throw new TypeError(
        `Cannot use returning() on an update of "${changed[1].name}", the primary key of "${getTableName(this.table)}": MySQL can't find the rows again`,
      );
    }
    this.returned = fields;
    return this;
  }

  from(): never {
    throw withoutJoins();
  }

  leftJoin(): never {
    throw withoutJoins();
  }

  rightJoin(): never {
    throw withoutJoins();
  }

  innerJoin(): never {
    throw withoutJoins();
  }

  fullJoin(): never {
    throw withoutJoins();
  }

  override async execute(placeholderValues: Values = {}): Promise<unknown> {
    if (this.returned === null) return this.#write(placeholderValues);
    return this.#updateAndRead(this.returned, placeholderValues);
  }

  override getSQL(): SQL {
    return this.#build(this.#where);
  }

  async #write(placeholderValues: Values): Promise<WriteResult> {
    const { affectedRows, info } = await this.session.write(this.table, this.getSQL(), placeholderValues);
    // Rows that had these values already count on the other databases.
    const matched = /^Rows matched: (\d+)/.exec(info)?.[1];
    return { rowsAffected: matched === undefined ? affectedRows : Number(matched) };
  }

  #updateAndRead(fields: ReturnedFields, placeholderValues: Values): Promise<unknown> {
    const columns = assertPrimaryKey(this.table);
    return this.session.atomically(async (session) => {
      const source = { session, dialect: this.dialect, table: this.table, fields };
      const locked = await lockRows({ ...source, fields: {} }, columns, {
        where: this.#where,
        withList: this.#withList,
        placeholderValues,
      });
      const keys = locked.map(({ key }) => key);
      for (const where of matchKeys(columns, keys)) {
        // oxlint-disable-next-line no-await-in-loop -- on one connection
        await session.write(this.table, this.#build(where), placeholderValues);
      }
      return readRows(source, columns, keys);
    });
  }

  #build(where: SQL | undefined): SQL {
    return this.dialect.buildUpdateQuery({
      table: this.table,
      set: this.#set,
      where,
      ...(this.#withList === undefined ? {} : { withList: this.#withList }),
    });
  }
}

function withoutJoins(): TypeError {
  return new TypeError("Cannot join tables in an update: not every database can; use a subquery");
}
