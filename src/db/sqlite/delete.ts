import { SQLiteDeleteBase, type SQLiteTable } from "drizzle-orm/sqlite-core";
import {
  appendWhere,
  type ChangeConfig,
  type DrizzleWrite,
  executeWrite,
  type WriteTarget,
} from "./drizzle-write.ts";
import type { SqliteQuery } from "./prepared-query.ts";
import type { Fields, Returning, TablePlan } from "./table-plan.ts";

const Base = SQLiteDeleteBase as unknown as new (
  table: SQLiteTable,
  session: WriteTarget["session"],
  dialect: WriteTarget["dialect"],
) => DrizzleWrite<ChangeConfig>;

/** Drizzle's delete, whose statement is made of what is kept of its table. */
export class Delete extends Base {
  readonly #target: WriteTarget;
  readonly #plan: TablePlan;
  /** Null where it isn't kept. */
  #returning: Returning | null;

  constructor(target: WriteTarget) {
    super(target.table, target.session, target.dialect);
    this.#target = target;
    this.#plan = target.dialect.planOf(target.table);
    this.#returning = this.#plan.nothing;
  }

  override returning(fields?: Fields): unknown {
    this.#returning = fields === undefined ? this.#plan.everything : this.#plan.toReturning(fields);
    if (this.#returning === null) return super.returning(fields);
    this.config.returning = this.#returning.fields;
    return this;
  }

  override _prepare(isOneTimeQuery = true): SqliteQuery {
    // oxlint-disable-next-line no-underscore-dangle -- drizzle's name
    return this.#prepareKept() ?? super._prepare(isOneTimeQuery);
  }

  override execute(): Promise<unknown> {
    return executeWrite(this);
  }

  #prepareKept(): SqliteQuery | null {
    const { where, orderBy, limit } = this.config;
    const returning = this.#returning;
    if (returning === null || orderBy !== undefined || limit !== undefined) return null;
    const params: unknown[] = [];
    const condition = appendWhere(where, this.#target.dialect, params);
    if (condition === null) return null;
    return this.#target.session.prepareKept(
      { sql: `${this.#plan.deletes}${condition}${returning.text}`, params },
      returning,
    );
  }
}
