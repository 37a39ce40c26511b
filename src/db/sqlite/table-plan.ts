import { type Column, getTableColumns, is, SQL } from "drizzle-orm";
import type { SelectedFieldsOrdered, SQLiteAsyncDialect, SQLiteTable } from "drizzle-orm/sqlite-core";
import { RowMapping } from "../drizzle/row-mapper.ts";
import { selectedFields } from "../drizzle/session-parts.ts";

/** A column that can be written. */
export interface WrittenColumn {
  readonly column: Column;
  /** Its name in code. */
  readonly key: string;
  /** `"name" = ?` */
  readonly assignment: string;
  /** What SQL computes where an insert gives no value; null where code gives one. */
  readonly computed: string | null;
  /** Stands for it in a set of the columns that SQL computes. */
  readonly bit: number;
}

/** What is kept of a `returning()`. */
export interface Returning {
  /** ` returning …`; nothing where no row is returned. */
  readonly text: string;
  readonly fields: SelectedFieldsOrdered | undefined;
  readonly mapping: RowMapping | undefined;
  /** Inserts of one row, by the set of columns that SQL computes. */
  readonly inserts: Map<number, string>;
}

export type Fields = Readonly<Record<string, unknown>>;
export type Row = Readonly<Record<string, unknown>>;

/** Stands for what only drizzle can write: SQL in place of a value. */
export const UNPLANNED = Symbol("unplanned");
/** What values of columns are; anything else may be SQL. */
const PLAIN = new Set<unknown>(
  [Object, Array, Date, Uint8Array, Buffer].map(({ prototype }): unknown => prototype).concat(null),
);
const MAX_COMPUTED = 30; // bits of a number
const MAX_KEPT = 256; // texts of a table, so that those of a request can't be without end

/**
 * The texts of which inserts, updates and deletes of a table are made, kept: building a statement anew takes longer than
 * running it.
 */
export class TablePlan {
  readonly updates: string;
  readonly deletes: string;
  readonly all: readonly WrittenColumn[];
  /** Those that inserts name: not what the database generates. */
  readonly columns: readonly WrittenColumn[];
  /** Whether inserts are made of it. */
  readonly takesInserts: boolean;
  readonly nothing: Returning = { text: "", fields: undefined, mapping: undefined, inserts: new Map() };
  readonly #dialect: SQLiteAsyncDialect;
  readonly #table: SQLiteTable;
  readonly #insertInto: string;
  /** Those whose values code makes where an insert gives none. */
  readonly #made: readonly WrittenColumn[];
  readonly #rows = new Map<number, string>();
  readonly #returnings = new Map<string, Returning>();
  #everything: Returning | null = null;
  /** The columns' names in code. */
  readonly #keys: ReadonlyMap<unknown, string>;

  constructor(table: SQLiteTable, dialect: SQLiteAsyncDialect) {
    this.#table = table;
    this.#dialect = dialect;
    const all: Record<string, Column> = getTableColumns(table);
    this.#keys = new Map(Object.entries(all).map(([key, column]) => [column, key]));
    this.deletes = dialect.sqlToQuery(dialect.buildDeleteQuery({ table })).sql;
    const name = this.deletes.slice("delete from ".length);
    this.updates = `update ${name} set `;
    const computed = Object.values(all).filter((column) => is(column.default, SQL));
    this.all = Object.entries(all).map(([key, column]) =>
      this.#toWritten(key, column, computed.indexOf(column)),
    );
    this.columns = this.all.filter(({ column }) => !isGenerated(column));
    this.#made = this.columns.filter(({ column }) => makerOf(column) !== undefined);
    const names = this.columns.map(({ column }) => dialect.escapeName(column.name));
    this.#insertInto = `insert into ${name} (${names.join(", ")}) values `;
    this.takesInserts =
      computed.length <= MAX_COMPUTED &&
      computed.every(({ default: value }) => dialect.sqlToQuery(value as SQL).params.length === 0) &&
      Object.keys(all).every((key) => !(key in Object.prototype));
  }

  /** Returns a row with the values that code makes: they are made once, whoever writes the statement. */
  toComplete(row: Row): Row {
    let complete = row;
    for (const { key, column } of this.#made) {
      if (row[key] === undefined) complete = { ...complete, [key]: makerOf(column)?.() };
    }
    return complete;
  }

  /** The text of an insert. @param computed for each row, the set of columns that SQL computes */
  toInsert(computed: readonly number[], returning: Returning): string {
    const [first = 0] = computed;
    if (computed.length > 1) {
      return `${this.#insertInto}${computed.map((one) => this.#toRow(one)).join(", ")}${returning.text}`;
    }
    let text = returning.inserts.get(first);
    if (text === undefined) {
      text = `${this.#insertInto}${this.#toRow(first)}${returning.text}`;
      keep(returning.inserts, first, text);
    }
    return text;
  }

  /** What `returning()` gives without fields: every column. */
  get everything(): Returning {
    return (this.#everything ??= this.#makeReturning(getTableColumns(this.#table)));
  }

  /** Returns what is kept of a `returning()`; null where it asks for more than columns of the table. */
  toReturning(fields: Fields): Returning | null {
    let names = "";
    for (const alias in fields) {
      const key = this.#keys.get(fields[alias]);
      if (key === undefined) return null;
      names += `${alias.length}.${key.length}.${alias}${key}`;
    }
    let returning = this.#returnings.get(names);
    if (returning === undefined) {
      returning = this.#makeReturning(fields);
      keep(this.#returnings, names, returning);
    }
    return returning;
  }

  #makeReturning(fields: Fields): Returning {
    const selected = selectedFields<SelectedFieldsOrdered[number]>(fields);
    const query = this.#dialect.buildDeleteQuery({ table: this.#table, returning: selected });
    const text = this.#dialect.sqlToQuery(query).sql.slice(this.deletes.length);
    const mapping = new RowMapping({ fields: selected, isAlwaysThere: undefined });
    return { text, fields: selected, mapping, inserts: new Map() };
  }

  #toWritten(key: string, column: Column, index: number): WrittenColumn {
    const computed = is(column.default, SQL) ? this.#dialect.sqlToQuery(column.default).sql : null;
    const assignment = `${this.#dialect.escapeName(column.name)} = ?`;
    return { column, key, assignment, computed, bit: index < 0 ? 0 : 1 << index };
  }

  #toRow(computed: number): string {
    let row = this.#rows.get(computed);
    if (row === undefined) {
      const values = this.columns.map((one) => ((one.bit & computed) === 0 ? "?" : one.computed));
      row = `(${values.join(", ")})`;
      keep(this.#rows, computed, row);
    }
    return row;
  }
}

/** Turns a value into what is bound for it; UNPLANNED where it may be SQL. */
export function toBound(value: unknown, column: Column): unknown {
  if (value === null) return null;
  if (typeof value === "object" ? !PLAIN.has(Object.getPrototypeOf(value)) : typeof value === "function") {
    return UNPLANNED;
  }
  const bound: unknown = column.mapToDriverValue(value);
  return typeof bound === "object" && bound !== null && !ArrayBuffer.isView(bound) ? UNPLANNED : bound;
}

/** What makes a value where an insert gives none, as drizzle has it. */
function makerOf({ default: value, defaultFn, onUpdateFn }: Column): (() => unknown) | undefined {
  return value === undefined || value === null ? (defaultFn ?? onUpdateFn) : undefined;
}

function isGenerated(column: Column): boolean {
  // Drizzle hides it from its types.
  return (column as unknown as { shouldDisableInsert(): boolean }).shouldDisableInsert();
}

function keep<Key, Value>(kept: Map<Key, Value>, key: Key, value: Value): void {
  if (kept.size < MAX_KEPT) kept.set(key, value);
}
