import { getTableColumns, type SQL } from "drizzle-orm";
import type { WriteResult } from "../contract/database.ts";
import { assertPrimaryKey, type ReturnedFields } from "./returning.ts";
import { MysqlChange, type Values } from "./write-query.ts";

/** A delete with PostgreSQL's `returning()`. */
export class MysqlDelete extends MysqlChange {
  /** Reads and locks the rows before they are deleted, in one transaction. */
  returning(fields: ReturnedFields = getTableColumns(this.table)): this {
    assertPrimaryKey(this.table);
    this.returned = fields;
    return this;
  }

  override async execute(placeholderValues: Values = {}): Promise<unknown> {
    const fields = this.returned;
    if (fields === null) return this.#write(placeholderValues);
    return this.target.session.atomically(async (session) => {
      const found = await this.writeFound(session, fields, placeholderValues);
      return found.map(({ row }) => row);
    });
  }

  async #write(placeholderValues: Values): Promise<WriteResult> {
    const { table, session } = this.target;
    const { affectedRows } = await session.write(table, this.getSQL(), placeholderValues);
    return { rowsAffected: affectedRows };
  }

  protected override build(where: SQL | undefined): SQL {
    const { table, dialect, withList } = this.target;
    return dialect.buildDeleteQuery({ table, where, ...(withList !== undefined && { withList }) });
  }
}
