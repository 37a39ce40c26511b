import { type SQL } from "drizzle-orm";
import { SQLiteUpdateBase, SQLiteUpdateBuilder, type SQLiteTable } from "drizzle-orm/sqlite-core";
import type { WriteResult } from "../contract/database.ts";
import { assertChanges } from "../drizzle/guarded-writes.ts";
import { mapUpdateSet } from "../drizzle/session-parts.ts";
import {
  appendWhere,
  type ChangeConfig,
  type DrizzleWrite,
  type WriteTarget,
  withKeptTexts,
} from "./drizzle-write.ts";
import type { SqliteQuery } from "./prepared-query.ts";
import { type Returning, toBound, UNPLANNED } from "./table-plan.ts";

type Values = Readonly<Record<string, unknown>>;

interface UpdateConfig extends ChangeConfig {
  set: Record<string, SQL>;
  readonly from?: unknown;
  readonly joins: readonly unknown[];
}

type DrizzleUpdate = new (...parts: unknown[]) => DrizzleWrite<UpdateConfig>;

/** Drizzle's builder of updates, whose statements are made of what is kept of their table. */
export class UpdateBuilder extends SQLiteUpdateBuilder<SQLiteTable, "async", WriteResult> {
  readonly #target: WriteTarget;

  constructor(target: WriteTarget) {
    super(target.table, target.session, target.dialect);
    this.#target = target;
  }

  /** @throws AppError `validation_error` where there is nothing to change */
  override set(values: Values): never {
    assertChanges(this.#target.table, values);
    // Drizzle's own class, as far as its users can tell.
    return new Update(this.#target, values) as never;
  }
}

class Update extends withKeptTexts(SQLiteUpdateBase as unknown as DrizzleUpdate) {
  readonly #values: Values;

  constructor({ table, session, dialect }: WriteTarget, values: Values) {
    super(table, {}, session, dialect);
    // What the caller changes in them later has no effect.
    this.#values = { ...values };
  }

  override getSQL(): SQL {
    this.config.set = mapUpdateSet(this.config.table, this.#values);
    return super.getSQL();
  }

  override prepareKept(returning: Returning): SqliteQuery | null {
    const { from, joins, where, orderBy, limit } = this.config;
    if (from !== undefined || joins.length > 0 || orderBy !== undefined || limit !== undefined) return null;
    const params: unknown[] = [];
    const set = this.#bindSet(params);
    const condition = set === null ? null : appendWhere(where, this.dialect, params);
    if (condition === null) return null;
    const sql = `${this.plan.updates}${set}${condition}${returning.text}`;
    return this.session.prepareKept({ sql, params }, returning);
  }

  /** @returns the text of what is set; null where SQL stands for a value */
  #bindSet(params: unknown[]): string | null {
    let text = "";
    for (const { key, column, assignment } of this.plan.all) {
      const given = Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
      if (given === undefined && column.onUpdateFn === undefined) continue;
      const bound = toBound(given === undefined ? column.onUpdateFn?.() : given, column);
      if (bound === UNPLANNED) return null;
      text += text === "" ? assignment : `, ${assignment}`;
      params.push(bound);
    }
    return text;
  }
}
