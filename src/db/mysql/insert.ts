import { getTableColumns, getTableName, is, Param, Placeholder, SQL, sql } from "drizzle-orm";
import { type MySqlColumn, type MySqlTable, QueryBuilder } from "drizzle-orm/mysql-core";
import type { ResultSetHeader } from "mysql2/promise";
import type { WriteResult } from "../contract/database.ts";
import { assertRows } from "../drizzle/guarded-writes.ts";
import {
  buildConflict,
  type Conflict,
  type ConflictConfig,
  isAutoIncrement,
  toConflict,
} from "./conflicts.ts";
import { assertPrimaryKey, type Key, readRows, type ReturnedFields } from "./returning.ts";
import type { MysqlSession } from "./session.ts";
import { MysqlWrite, type Values, type WriteTarget } from "./write-query.ts";

type InsertedRow = Record<string, Param | SQL>;
type Source = { readonly rows: readonly InsertedRow[] } | { readonly select: SQL };
/** Stands in a key for the number that the database will count up. */
const GENERATED = Symbol("generated");

export class MysqlInsertBuilder {
  readonly #target: WriteTarget;

  constructor(target: WriteTarget) {
    this.#target = target;
  }

  /** MySQL takes a number for a counted column without being told. */
  overridingSystemValue(): this {
    return this;
  }

  values(values: Values | readonly Values[]): MysqlInsert {
    const rows = [values].flat();
    assertRows(this.#target.table, rows);
    const columns: Record<string, MySqlColumn> = getTableColumns(this.#target.table);
    const inserted = rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).flatMap(([name, value]): [string, Param | SQL][] => {
          const column = columns[name];
          if (column === undefined || value === undefined) return [];
          return [[name, is(value, SQL) ? value : new Param(value, column)]];
        }),
      ),
    );
    return new MysqlInsert(this.#target, { rows: inserted });
  }

  select(query: SQL | { getSQL(): SQL } | ((builder: QueryBuilder) => { getSQL(): SQL })): MysqlInsert {
    const select = typeof query === "function" ? query(new QueryBuilder(this.#target.dialect)) : query;
    return new MysqlInsert(this.#target, { select: select.getSQL() });
  }
}

/** An insert with PostgreSQL's `returning()` and `onConflict…()`. */
export class MysqlInsert extends MysqlWrite {
  readonly #source: Source;
  #conflict: Conflict | null = null;

  constructor(target: WriteTarget, source: Source) {
    super(target);
    this.#source = source;
  }

  onConflictDoNothing(config: Pick<ConflictConfig, "target" | "where"> = {}): this {
    this.#conflict = toConflict(this.table, config);
    return this;
  }

  onConflictDoUpdate(config: ConflictConfig): this {
    this.#conflict = toConflict(this.table, config);
    return this;
  }

  /** Reads the rows back by their keys, in the same transaction: MySQL has no RETURNING. */
  returning(fields: ReturnedFields = getTableColumns(this.table)): this {
    if (!("rows" in this.#source)) {
      throw new TypeError(
        "Cannot use returning() after insert().select(): MySQL doesn't tell which rows it inserted",
      );
    }
    assertPrimaryKey(this.table);
    this.returned = fields;
    return this;
  }

  override async execute(placeholderValues: Values = {}): Promise<unknown> {
    const returned = this.returned;
    if (returned === null || !("rows" in this.#source)) return this.#write(placeholderValues);
    const rows = this.#source.rows.map((row) => this.#withDefaults(row));
    return this.target.session.atomically(async (session) => {
      const columns = this.#keyColumns();
      const keys = await this.#insertForKeys(session, rows, columns, placeholderValues);
      return readRows({ ...this.target, session, fields: returned }, columns, keys);
    });
  }

  override getSQL(): SQL {
    return this.#build("rows" in this.#source ? this.#source.rows : []);
  }

  async #write(placeholderValues: Values): Promise<WriteResult> {
    const { affectedRows, info } = await this.target.session.write(
      this.table,
      this.getSQL(),
      placeholderValues,
    );
    if (this.#conflict === null || this.#conflict.set === null) return { rowsAffected: affectedRows };
    // MySQL counts a row that was updated twice, and one that already had the values not at all.
    const records = /^Records: (\d+)/.exec(info)?.[1];
    return { rowsAffected: records === undefined ? 1 : Number(records) };
  }

  /** The columns by which the rows are read back: after an upsert they are those of its target. */
  #keyColumns(): readonly MySqlColumn[] {
    const { target, set } = this.#conflict ?? {};
    if (set === null || set === undefined || target === null || target === undefined) {
      return assertPrimaryKey(this.table);
    }
    const changed = target.find((column) => set[nameInCode(this.table, column)] !== undefined);
    if (changed === undefined) return target;
    throw new TypeError(
      `Cannot use returning() after an upsert that sets "${changed.name}", its own target: MySQL can't find the row again`,
    );
  }

  async #insertForKeys(
    session: MysqlSession,
    rows: readonly InsertedRow[],
    columns: readonly MySqlColumn[],
    placeholderValues: Values,
  ): Promise<Key[]> {
    const keys = rows.map((row) => columns.map((column) => this.#keyValue(row, column, placeholderValues)));
    const insert = (some: readonly InsertedRow[]): Promise<ResultSetHeader> =>
      session.write(this.table, this.#build(some), placeholderValues);
    const generated = keys.filter((key) => key.includes(GENERATED)).length;
    const isSkipping = this.#conflict?.set === null;
    if (!isSkipping && generated === 0) {
      await insert(rows);
      return keys;
    }
    if (!isSkipping && generated === rows.length && this.#conflict === null) {
      const { insertId } = await insert(rows);
      const step = rows.length === 1 ? 1 : await readStep(session);
      return keys.map((key, index) => fillGenerated(key, insertId + index * step));
    }
    // One by one: otherwise MySQL doesn't tell which rows it skipped, or which numbers it counted up.
    const inserted: Key[] = [];
    for (const [index, row] of rows.entries()) {
      // oxlint-disable-next-line no-await-in-loop -- on one connection
      const { affectedRows, insertId } = await insert([row]);
      if (affectedRows > 0) inserted.push(fillGenerated(keys[index] ?? [], insertId));
    }
    return inserted;
  }

  #build(rows: readonly InsertedRow[]): SQL {
    const given = (column: string): boolean =>
      rows.length === 0 || rows.some((row) => row[nameInCode(this.table, { name: column })] !== undefined);
    const onConflict =
      this.#conflict === null ? {} : { onConflict: buildConflict(this.table, this.#conflict, given) };
    const source =
      "rows" in this.#source
        ? { values: rows.map((row) => this.#withNumbers(row)) }
        : { values: this.#source.select as never, select: true };
    return this.target.dialect.buildInsertQuery({
      table: this.table,
      ignore: false,
      ...source,
      ...onConflict,
    }).sql;
  }

  /** With NO_AUTO_VALUE_ON_ZERO, MariaDB takes drizzle's `default` for a 0 as well; for null it counts up. */
  #withNumbers(row: InsertedRow): InsertedRow {
    const column = Object.entries(getTableColumns(this.table)).find(([, one]) => isAutoIncrement(one));
    return column === undefined || row[column[0]] !== undefined ? row : { ...row, [column[0]]: sql`null` };
  }

  /** Values that code makes, such as a UUID, are made here: the rows are read back by them. */
  #withDefaults(row: InsertedRow): InsertedRow {
    const result = { ...row };
    for (const [name, column] of Object.entries(getTableColumns(this.table))) {
      if (result[name] !== undefined || column.defaultFn === undefined) continue;
      const value: unknown = column.defaultFn();
      result[name] = is(value, SQL) ? value : new Param(value, column);
    }
    return result;
  }

  #keyValue(row: InsertedRow, column: MySqlColumn, placeholderValues: Values): unknown {
    const given = row[nameInCode(this.table, column)];
    const value: unknown = is(given, Param) ? given.value : undefined;
    const known = is(value, Placeholder) ? placeholderValues[value.name] : value;
    if (known !== undefined && known !== null) return known;
    if (given === undefined && column.default !== undefined && !is(column.default, SQL))
      return column.default;
    if (isAutoIncrement(column) && (given === undefined || is(given, Param))) return GENERATED;
    throw new TypeError(
      `Cannot use returning() on "${getTableName(this.table)}": MySQL has no RETURNING, and the value of "${column.name}" is only known to the database`,
    );
  }
}

/** How far apart the numbers of one insert are: more than 1 in a cluster. */
async function readStep(session: MysqlSession): Promise<number> {
  const [row] = await session.all<{ step: number }>(sql`select @@auto_increment_increment as step`);
  return row?.step ?? 1;
}

function fillGenerated(key: Key, id: number): Key {
  return key.map((value) => (value === GENERATED ? id : value));
}

function nameInCode(table: MySqlTable, { name }: { name: string }): string {
  return Object.entries(getTableColumns(table)).find(([, column]) => column.name === name)?.[0] ?? name;
}
