import { SQLiteDeleteBase } from "drizzle-orm/sqlite-core";
import {
  appendWhere,
  type ChangeConfig,
  type DrizzleWrite,
  type WriteTarget,
  withKeptTexts,
} from "./drizzle-write.ts";
import type { SqliteQuery } from "./prepared-query.ts";
import type { Returning } from "./table-plan.ts";

type DrizzleDelete = new (...parts: unknown[]) => DrizzleWrite<ChangeConfig>;

/** Drizzle's delete, whose statement is made of what is kept of its table. */
export class Delete extends withKeptTexts(SQLiteDeleteBase as unknown as DrizzleDelete) {
  constructor({ table, session, dialect }: WriteTarget) {
    super(table, session, dialect);
  }

  override prepareKept(returning: Returning): SqliteQuery | null {
    const { where, orderBy, limit } = this.config;
    if (orderBy !== undefined || limit !== undefined) return null;
    const params: unknown[] = [];
    const condition = appendWhere(where, this.dialect, params);
    if (condition === null) return null;
    return this.session.prepareKept(
      { sql: `${this.plan.deletes}${condition}${returning.text}`, params },
      returning,
    );
  }
}
