import { type Column, getTableColumns, is, Param, SQL } from "drizzle-orm";
import { SQLiteInsertBase, SQLiteInsertBuilder, type SQLiteTable } from "drizzle-orm/sqlite-core";
import type { WriteResult } from "../contract/database.ts";
import { assertChanges, assertRows } from "../drizzle/guarded-writes.ts";
import { type DrizzleWrite, type WriteConfig, type WriteTarget, withKeptTexts } from "./drizzle-write.ts";
import type { SqliteQuery } from "./prepared-query.ts";
import { type Returning, type Row, toBound, UNPLANNED, type WrittenColumn } from "./table-plan.ts";

interface InsertConfig extends WriteConfig {
  values: Record<string, Param | SQL>[];
  readonly onConflict?: readonly SQL[];
}

interface Upsert {
  readonly set: Row;
}

type DrizzleInsert = new (...parts: unknown[]) => DrizzleWrite<InsertConfig>;

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

const drizzles = SQLiteInsertBase.prototype as unknown as { onConflictDoUpdate(upsert: Upsert): unknown };

class Insert extends withKeptTexts(SQLiteInsertBase as unknown as DrizzleInsert) {
  #rows: readonly Row[];

  constructor({ table, session, dialect }: WriteTarget, rows: readonly Row[]) {
    super(table, [], session, dialect);
    // What the caller changes in them later has no effect.
    this.#rows = rows.map((row) => ({ ...assertRow(row) }));
  }

  /** @throws AppError `validation_error` where there is nothing to change */
  onConflictDoUpdate(upsert: Upsert): unknown {
    assertChanges(this.config.table, upsert.set);
    return drizzles.onConflictDoUpdate.call(this as never, upsert);
  }

  override getSQL(): SQL {
    const columns: Record<string, Column> = getTableColumns(this.config.table);
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
    const given = this.#rows;
    this.#rows = given.map((row) => this.plan.toComplete(row));
    try {
      // oxlint-disable-next-line no-underscore-dangle -- drizzle's name
      return super._prepare(isOneTimeQuery);
    } finally {
      this.#rows = given;
    }
  }

  override prepareKept(returning: Returning): SqliteQuery | null {
    if (!this.plan.takesInserts || this.config.onConflict !== undefined) return null;
    const params: unknown[] = [];
    const computed: number[] = [];
    for (const row of this.#rows) {
      const one = bindRow(row, this.plan.columns, params);
      if (one === null) return null;
      computed.push(one);
    }
    const sql = this.plan.toInsert(computed, returning);
    return this.session.prepareKept({ sql, params }, returning);
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
      value = column.default ?? null;
    }
    const bound = toBound(value, column);
    if (bound === UNPLANNED) return null;
    params.push(bound);
  }
  return computed;
}
