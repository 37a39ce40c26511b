import {
  Column,
  getTableColumns,
  getTableName,
  is,
  Name,
  Param,
  Placeholder,
  type QueryWithTypings,
  SQL,
  sql,
  StringChunk,
  Table,
} from "drizzle-orm";
import {
  type SelectedFieldsOrdered,
  SQLiteAsyncDialect,
  type SQLiteSelectConfig,
  type SQLiteTable,
} from "drizzle-orm/sqlite-core";
import { isOfSubquery } from "../drizzle/expressions.ts";
import { orderNulls, parseTerm } from "../drizzle/null-order.ts";
import { selectedFields } from "../drizzle/session-parts.ts";
import { decoderOf, readAggregate, toAggregate } from "../schema/aggregates.ts";
import {
  needsReading,
  toExactSql,
  toNumberSql,
  toNumericComparison,
  writeNullsForSqlite,
  writeTermForSqlite,
} from "./exact-numbers.ts";
import { toFittingValue } from "./fitting-values.ts";
import { TablePlan } from "./table-plan.ts";

interface WholeTable {
  readonly count: number;
  readonly selection: SelectedFieldsOrdered;
}

type UpdateSet = Parameters<SQLiteAsyncDialect["buildUpdateSet"]>[1];
type SetOperation = Parameters<SQLiteAsyncDialect["buildSetOperationQuery"]>[0];

/**
 * Drizzle's dialect for SQLite, which puts the text of a query together in one pass (drizzle's own way costs
 * most of the time of a small query), and takes an offset without a limit, as PostgreSQL does.
 */
export class SqliteDialect extends SQLiteAsyncDialect {
  readonly #kinds = new WeakMap<object, ChunkKind>();
  /** What is run in place of a select with sums, unless it is part of another query: see exact-numbers.ts. */
  readonly #exact = new WeakMap<SQL, SQL>();
  /** By the object that holds the columns of a table. */
  readonly #wholeTables = new WeakMap<object, WholeTable | null>();
  readonly #plans = new WeakMap<SQLiteTable, TablePlan>();

  override sqlToQuery(query: SQL, invokeSource?: "indexes"): QueryWithTypings {
    if (invokeSource !== undefined) return super.sqlToQuery(query, invokeSource);
    const built: QueryWithTypings = { sql: "", params: [] };
    this.#append(built, this.#exact.get(query) ?? query);
    return built;
  }

  override buildSelectQuery(given: SQLiteSelectConfig): SQL {
    const config = withNullOrder(given, given);
    const wholeTable = this.#wholeTableOf(config);
    if (wholeTable !== null) {
      return super.buildSelectQuery(withLimit({ ...config, fieldsFlat: wholeTable }));
    }
    const fields = config.fieldsFlat ?? selectedFields<SelectedFieldsOrdered[number]>(config.fields);
    if (!fields.some(hasInexact)) return super.buildSelectQuery(withLimit(config));
    const limited = withLimit(config);
    const build = (write: typeof toExactSql): SQL =>
      super.buildSelectQuery({ ...limited, fieldsFlat: fields.map((one) => withAggregate(one, write)) });
    const query = build(toNumberSql);
    if (canBeExact(given, fields)) this.#exact.set(query, build(toExactSql));
    return query;
  }

  override buildUpdateSet(table: SQLiteTable, set: UpdateSet): SQL {
    const columns: Record<string, Column> = getTableColumns(table);
    let fitting = set;
    for (const name in set) {
      const column = columns[name];
      if (column === undefined || is(set[name], Param)) continue;
      fitting = { ...fitting, [name]: toFittingValue(set[name], column) as SQL };
    }
    return super.buildUpdateSet(table, fitting);
  }

  override buildSetOperationQuery({ leftSelect, setOperator }: SetOperation): SQL {
    const ordered = withNullOrder(setOperator, { table: null }, writeNullsForSqlite);
    return super.buildSetOperationQuery({ leftSelect, setOperator: withLimit(ordered) });
  }

  /** What is kept of the statements that write a table. */
  planOf(table: SQLiteTable): TablePlan {
    let plan = this.#plans.get(table);
    if (plan === undefined) {
      plan = new TablePlan(table, this);
      this.#plans.set(table, plan);
    }
    return plan;
  }

  /** Every column of one table is what most queries select: its text is put together once. */
  #wholeTableOf({ table, fields, fieldsFlat, joins }: SQLiteSelectConfig): SelectedFieldsOrdered | null {
    if (fieldsFlat !== undefined || (joins?.length ?? 0) > 0 || !is(table, Table)) return null;
    const columns: Record<string, Column> = getTableColumns(table);
    let count = 0;
    for (const key in fields) {
      if (fields[key] !== columns[key]) return null;
      count += 1;
    }
    let whole = this.#wholeTables.get(columns);
    if (whole === undefined) {
      whole = this.#toWholeTable(Object.values(columns));
      this.#wholeTables.set(columns, whole);
    }
    return whole !== null && whole.count === count ? whole.selection : null;
  }

  #toWholeTable(columns: readonly Column[]): WholeTable | null {
    // Drizzle casts these to text.
    if (columns.some(({ columnType }) => columnType === "SQLiteNumericBigInt")) return null;
    const names = columns.map(({ name }) => this.escapeName(name));
    return { count: columns.length, selection: [{ path: [], field: sql.raw(names.join(", ")) }] };
  }

  #append(built: QueryWithTypings, chunk: unknown): void {
    if (chunk === undefined) return;
    if (typeof chunk !== "object" || chunk === null) {
      bind(built, chunk);
      return;
    }
    if (Array.isArray(chunk)) {
      this.#appendList(built, chunk);
      return;
    }
    switch (this.#kindOf(chunk)) {
      case "text":
        for (const text of (chunk as StringChunk).value) built.sql += text;
        return;
      case "name":
        built.sql += this.escapeName((chunk as Name).value);
        return;
      case "column":
        this.#appendColumn(built, chunk as Column);
        return;
      case "param":
        this.#appendParam(built, chunk as Param);
        return;
      case "sql":
        // Drizzle hides this field from its types; such SQL has no parameters.
        if ((chunk as { readonly shouldInlineParams?: boolean }).shouldInlineParams) break;
        this.#appendSql(built, (chunk as SQL).queryChunks);
        return;
      case "other":
        break;
    }
    const part = super.sqlToQuery(new SQL([chunk as SQL]));
    built.sql += part.sql;
    built.params.push(...part.params);
  }

  #appendSql(built: QueryWithTypings, parts: SQL["queryChunks"]): void {
    const { length } = parts;
    const words = length === 3 ? wordsOf(parts[0]) : length === 5 || length === 7 ? wordsOf(parts[2]) : "";
    if (words !== "" && words !== " = ") {
      const numeric = toNumeric(parts);
      if (numeric !== null) {
        this.#append(built, numeric);
        return;
      }
    }
    if (length === 5 && words === " = " && this.#appendTruth(built, parts)) return;
    for (const part of parts) this.#append(built, part);
    // `like()` and `notLike()` of drizzle: only SQLite has no escape unless one is named.
    if (length === 5 && (words === " like " || words === " not like ")) built.sql += ESCAPE;
  }

  /**
   * Writes `eq(column, true)` with its value in the text, where there are only two: for a bound one that is compared with
   * "=", SQLite plans an ordered query anew each time it runs, which takes as long as all the rest of a page.
   */
  #appendTruth(built: QueryWithTypings, [, column, , param]: SQL["queryChunks"]): boolean {
    const value = param instanceof Param && column instanceof Column ? toTruth(param) : null;
    if (value === null) return false;
    this.#append(built, column);
    built.sql += ` = ${value}`;
    return true;
  }

  #appendList(built: QueryWithTypings, list: readonly unknown[]): void {
    built.sql += "(";
    for (const [index, item] of list.entries()) {
      if (index > 0) built.sql += ", ";
      this.#append(built, item);
    }
    built.sql += ")";
  }

  #appendColumn(built: QueryWithTypings, column: Column): void {
    built.sql += `${this.escapeName(getTableName(column.table))}.${this.escapeName(column.name)}`;
  }

  #appendParam(built: QueryWithTypings, param: Param): void {
    const { value } = param;
    if (is(value, Placeholder)) {
      bind(built, param);
      return;
    }
    const encoded: unknown = value === null ? null : param.encoder.mapToDriverValue(value);
    if (is(encoded, SQL)) this.#append(built, encoded);
    else bind(built, encoded);
  }

  /** SQLite reads a column in double quotes that is missing as text: its name would pass for a value. */
  override escapeName(name: string): string {
    return name.includes("`") ? `\`${name.replaceAll("`", "``")}\`` : `\`${name}\``;
  }

  /** Finds out once for each class what drizzle's `is()` would find out for each chunk. */
  #kindOf(chunk: object): ChunkKind {
    const prototype: object = Object.getPrototypeOf(chunk) ?? Object.prototype;
    let kind = this.#kinds.get(prototype);
    if (kind === undefined) {
      kind = classify(chunk);
      this.#kinds.set(prototype, kind);
    }
    return kind;
  }
}

const ESCAPE = String.raw` escape '\'`;

/** How SQLite has what a boolean column is compared with; null for anything else. */
function toTruth({ value, encoder }: Param): "0" | "1" | null {
  if (typeof value !== "boolean" || !("dataType" in encoder) || encoder.dataType !== "boolean") return null;
  return value ? "1" : "0";
}

/** The text of a part that is nothing else. */
function wordsOf(part: unknown): string {
  return part instanceof StringChunk ? (part.value[0] ?? "") : "";
}

type ChunkKind = "text" | "name" | "sql" | "column" | "param" | "other";

function classify(chunk: object): ChunkKind {
  if (Object.getPrototypeOf(chunk) === null) return "other";
  if (is(chunk, StringChunk)) return "text";
  if (is(chunk, Name)) return "name";
  if (is(chunk, SQL)) return "sql";
  if (is(chunk, Table)) return "other";
  if (is(chunk, Column)) return "column";
  return is(chunk, Param) ? "param" : "other";
}

function bind(built: QueryWithTypings, value: unknown): void {
  built.sql += "?";
  built.params.push(value);
}

function withNullOrder<T extends Pick<SQLiteSelectConfig, "orderBy">>(
  config: T,
  select: Parameters<typeof orderNulls>[1],
  write = writeTermForSqlite,
): T {
  const { orderBy } = config;
  if (orderBy === undefined || orderBy.length === 0) return config;
  const terms = orderNulls(orderBy, select, write);
  return terms === orderBy ? config : { ...config, orderBy: terms };
}

/** What SQLite would compute or compare otherwise than the other databases. */
function toNumeric(parts: SQL["queryChunks"]): SQL | null {
  if (parts.length !== 3) return toNumericComparison(parts);
  const aggregate = readAggregate(parts);
  return aggregate === null ? null : toNumberSql(aggregate);
}

function hasInexact({ field }: SelectedFieldsOrdered[number]): boolean {
  return !is(field, Column) && isInexact(field);
}

function isInexact(field: unknown): boolean {
  if (is(field, SQL.Aliased) && isOfSubquery(field)) return false;
  const aggregate = toAggregate(field);
  return aggregate !== null && decoderOf(field) !== null && needsReading(aggregate);
}

function withAggregate(
  selected: SelectedFieldsOrdered[number],
  write: typeof toExactSql,
): SelectedFieldsOrdered[number] {
  const { field } = selected;
  const aggregate = isInexact(field) ? toAggregate(field) : null;
  const written = aggregate === null ? null : write(aggregate);
  if (written === null) return selected;
  return { ...selected, field: is(field, SQL.Aliased) ? written.as(field.fieldAlias) : written };
}

/** Whether nothing else of a select looks at what it returns: by an alias, it would see text. */
function canBeExact(
  { orderBy = [], having, setOperators }: SQLiteSelectConfig,
  fields: SelectedFieldsOrdered,
): boolean {
  if (setOperators.length > 0) return false;
  const aliases = new Set(fields.flatMap(({ field }) => (is(field, SQL.Aliased) ? field.fieldAlias : [])));
  if (having !== undefined && aliases.size > 0) return false;
  return orderBy.every((term) => {
    const { field } = parseTerm(term) ?? {};
    if (field === undefined || is(field, Column)) return field !== undefined;
    // Drizzle gives an alias of the select itself as if it were a subquery's.
    if (is(field, SQL.Aliased)) return isOfSubquery(field) && !aliases.has(field.fieldAlias);
    return toAggregate(field) !== null || (is(field, SQL) && isCount(field));
  });
}

/** Drizzle's `count()`. */
function isCount(field: SQL): boolean {
  return field.queryChunks.length === 3 && wordsOf(field.queryChunks[0]) === "count(";
}

/**
 * Gives an offset the limit that SQLite demands, and writes a limit into the text: SQLite plans a query with a
 * bound limit anew each time it runs.
 */
function withLimit<T extends Pick<SQLiteSelectConfig, "limit" | "offset">>(config: T): T {
  const limit = config.limit ?? (config.offset === undefined ? undefined : Number.MAX_SAFE_INTEGER);
  if (typeof limit !== "number" || !Number.isSafeInteger(limit) || limit < 0) return config;
  // Drizzle takes any SQL here, though its types name only placeholders.
  return { ...config, limit: sql.raw(String(limit)) as unknown as Placeholder };
}
