import { type Column, getTableColumns, is, Param, SQL } from "drizzle-orm";
import { SQLiteInsertBase, SQLiteInsertBuilder, type SQLiteTable } from "drizzle-orm/sqlite-core";
import type { WriteResult } from "../contract/database.ts";
import { assertChanges, assertRows } from "../drizzle/guarded-writes.ts";
import { type DrizzleWrite, executeWrite, type WriteConfig, type WriteTarget } from "./drizzle-write.ts";
import type { SqliteQuery } from "./prepared-query.ts";
import {
  type Fields,
  type Returning,
  type TablePlan,
  toBound,
  UNPLANNED,
  type WrittenColumn,
} from "./table-plan.ts";

type Row = Readonly<Record<string, unknown>>;

interface InsertConfig extends WriteConfig {
  values: Record<string, Param | SQL>[];
  readonly onConflict?: readonly SQL[];
}

interface DrizzleInsert extends DrizzleWrite<InsertConfig> {
  onConflictDoUpdate(upsert: { readonly set: Row }): unknown;
}

const Base = SQLiteInsertBase as unknown as new (
  table: SQLiteTable,
  values: readonly never[],
  session: WriteTarget["session"],
  dialect: WriteTarget["dialect"],
) => DrizzleInsert;

/** Drizzle's builder of inserts, whose statements are made of what is kept of their table. */
export class InsertBuilder extends SQLiteInsertBuilder<SQLiteTable, "async", WriteResult> {
  readonly #target: WriteTarget;

  constructor(target: WriteTarget) {
    super(target.table, target.session, target.dialect);
    this.#target = target;
  }

  /** @throws AppError `validation_error` for an empty list */
  override values(rows: Row | readonly Row[]): never {
    assertRows(this.#target.table, rows);
    // Drizzle's own class, as far as its users can tell.
    return new Insert(this.#target, Array.isArray(rows) ? rows : [rows]) as never;
  }
}

class Insert extends Base {
  readonly #target: WriteTarget;
  readonly #plan: TablePlan;
  readonly #rows: readonly Row[];
  /** Null where it isn't kept. */
  #returning: Returning | null;

  constructor(target: WriteTarget, rows: readonly Row[]) {
    super(target.table, [], target.session, target.dialect);
    this.#target = target;
    this.#plan = target.dialect.planOf(target.table);
    // What the caller changes in them later has no effect.
    this.#rows = rows.map((row) => ({ ...assertRow(row) }));
    this.#returning = this.#plan.nothing;
  }

  override returning(fields?: Fields): unknown {
    this.#returning = fields === undefined ? this.#plan.everything : this.#plan.toReturning(fields);
    if (this.#returning === null) return super.returning(fields);
    this.config.returning = this.#returning.fields;
    return this;
  }

  /** @throws AppError `validation_error` where there is nothing to change */
  override onConflictDoUpdate(upsert: { readonly set: Row }): unknown {
    assertChanges(this.#target.table, upsert.set);
    return super.onConflictDoUpdate(upsert);
  }

  override getSQL(): SQL {
    const columns: Record<string, Column> = getTableColumns(this.#target.table);
    this.config.values = this.#rows.map((row) => {
      const values: Record<string, Param | SQL> = {};
      for (const key in row) {
        const value = row[key];
        values[key] = is(value, SQL) ? value : new Param(value, columns[key]);
      }
      return values;
    });
    return super.getSQL();
  }

  override _prepare(isOneTimeQuery = true): SqliteQuery {
    // oxlint-disable-next-line no-underscore-dangle -- drizzle's name
    return this.#prepareKept() ?? super._prepare(isOneTimeQuery);
  }

  override execute(): Promise<unknown> {
    return executeWrite(this);
  }

  #prepareKept(): SqliteQuery | null {
    const returning = this.#returning;
    if (returning === null || !this.#plan.takesInserts || this.config.onConflict !== undefined) return null;
    const params: unknown[] = [];
    const computed: number[] = [];
    for (const row of this.#rows) {
      const one = bindRow(row, this.#plan.columns, params);
      if (one === null) return null;
      computed.push(one);
    }
    const sql = this.#plan.toInsert(computed, returning);
    return this.#target.session.prepareKept({ sql, params }, returning);
  }
}

function assertRow(row: unknown): Row {
  if (typeof row === "object" && row !== null) return row as Row;
  throw new TypeError("Cannot insert a row: it is no object of values by column");
}

/**
 * Adds the values of a row to those that are bound.
 *
 * @returns the columns that SQL computes; null where SQL stands for a value
 */
function bindRow(row: Row, columns: readonly WrittenColumn[], params: unknown[]): number | null {
  let computed = 0;
  for (const { key, column, bit } of columns) {
    let value = row[key];
    if (value === undefined) {
      if (bit !== 0) {
        computed |= bit;
        continue;
      }
      value = toDefault(column);
    }
    const bound = toBound(value, column);
    if (bound === UNPLANNED) return null;
    params.push(bound);
  }
  return computed;
}

/** What drizzle takes where no value is given. */
function toDefault({ default: value, defaultFn, onUpdateFn }: Column): unknown {
  if (value !== undefined && value !== null) return value;
  const make = defaultFn ?? onUpdateFn;
  return make === undefined ? null : make();
}
