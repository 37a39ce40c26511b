import { getTableColumns, getTableName, type SQL } from "drizzle-orm";
import type { WriteResult } from "../contract/database.ts";
import { assertChanges } from "../drizzle/guarded-writes.ts";
import { mapUpdateSet } from "../drizzle/session-parts.ts";
import { assertPrimaryKey, readRows, type ReturnedFields } from "./returning.ts";
import { MysqlChange, type Values, type WriteTarget } from "./write-query.ts";

export class MysqlUpdateBuilder {
  readonly #target: WriteTarget;

  constructor(target: WriteTarget) {
    this.#target = target;
  }

  set(values: Values): MysqlUpdate {
    assertChanges(this.#target.table, values);
    return new MysqlUpdate(this.#target, mapUpdateSet(this.#target.table, values));
  }
}

/** An update with PostgreSQL's `returning()`. */
export class MysqlUpdate extends MysqlChange {
  readonly #set: Record<string, SQL>;

  constructor(target: WriteTarget, set: Record<string, SQL>) {
    super(target);
    this.#set = set;
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
    const fields = this.returned;
    if (fields === null) return this.#write(placeholderValues);
    return this.target.session.atomically(async (session) => {
      const found = await this.writeFound(session, {}, placeholderValues);
      const keys = found.map(({ key }) => key);
      return readRows({ ...this.target, session, fields }, assertPrimaryKey(this.table), keys);
    });
  }

  async #write(placeholderValues: Values): Promise<WriteResult> {
    const { table, session } = this.target;
    const { affectedRows, info } = await session.write(table, this.getSQL(), placeholderValues);
    // On the other databases, rows that already had the values count too.
    const matched = /^Rows matched: (\d+)/.exec(info)?.[1];
    return { rowsAffected: matched === undefined ? affectedRows : Number(matched) };
  }

  protected override build(where: SQL | undefined): SQL {
    const { table, dialect, withList } = this.target;
    const set = this.#set;
    return dialect.buildUpdateQuery({ table, set, where, ...(withList !== undefined && { withList }) });
  }
}

function withoutJoins(): TypeError {
  return new TypeError("Cannot join tables in an update: not every database can; use a subquery");
}
