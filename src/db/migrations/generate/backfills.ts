import { type Column, getTableColumns, getTableName, is, Table } from "drizzle-orm";
import type { Dialect } from "../../contract/driver.ts";
import { createDialectTables } from "../../drizzle/table-parts.ts";
import { type ColumnKind, declarationOf } from "../../schema/column-kind.ts";
import { toLiteral } from "../../schema/column-values.ts";
import { NOW } from "../../schema/columns.ts";
import type { SchemaDifference, TableDifference } from "./difference.ts";
import { InvalidMigrationError } from "../error.ts";

/** What the rows that are there get in a column. */
export interface Backfill {
  /** Null where the column is the only one of its name. */
  readonly table: string | null;
  readonly column: string;
  /** The value as text, or after "sql:" an expression over the row's columns. */
  readonly value: string;
}

/** A backfill as a dialect writes it. */
export interface Fill {
  readonly table: string;
  readonly column: string;
  /** Whether the column is new: else only those of its values are filled that are NULL. */
  readonly isNew: boolean;
  /** SQL of the value. */
  readonly value: string;
}

/** What a schema exports when it is made for each dialect. */
export type DeclaredSchemas = Readonly<Record<Dialect, Readonly<Record<string, unknown>>>>;

const BACKFILL = /^(?:(?<table>[a-z][a-z0-9_]*)\.)?(?<column>[a-z][a-z0-9_]*)=(?<value>[\s\S]+)$/;
const EXPRESSION = "sql:";
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;

/** Reads `column=value` or `table.column=value`. @throws InvalidMigrationError for anything else */
export function parseBackfill(text: string): Backfill {
  const { table = null, column, value } = BACKFILL.exec(text)?.groups ?? {};
  if (column === undefined || value === undefined) {
    throw new InvalidMigrationError(
      `Cannot backfill "${text}": write "column=value", "table.column=value" or "column=sql:expression"`,
    );
  }
  return { table, column, value };
}

/**
 * Writes backfills as each dialect's SQL.
 *
 * @param difference in PostgreSQL's words, with everything renamed already
 * @throws InvalidMigrationError for a column that no row lacks a value in, and for a value that it can't hold
 */
export function toFills(
  backfills: readonly Backfill[],
  difference: SchemaDifference,
  schemas: DeclaredSchemas,
): Record<Dialect, Fill[]> {
  const targets = backfills.map((backfill) => {
    const { table, isNew } = findTarget(backfill, difference);
    return { backfill, table, isNew, column: backfill.column };
  });
  const twice = targets.find((one, index) =>
    targets.slice(0, index).some(({ table, column }) => table === one.table && column === one.column),
  );
  if (twice !== undefined) {
    throw new InvalidMigrationError(`Cannot backfill "${twice.table}.${twice.column}": it is given twice`);
  }
  const toDialect = (dialect: Dialect): Fill[] =>
    targets.map(({ backfill, ...target }) => {
      const column = findColumn(schemas[dialect], target);
      return { ...target, value: toSql(backfill.value, column, dialect) };
    });
  return { sqlite: toDialect("sqlite"), postgres: toDialect("postgres"), mysql: toDialect("mysql") };
}

/** The columns that rows which are there have no value for, as `parseBackfill` reads them, without a value. */
export function findUnfilled(difference: SchemaDifference, fills: readonly Fill[]): string[] {
  return difference.altered.flatMap((table) =>
    [...requiredNew(table), ...requiredNow(table)]
      .filter((column) => !fills.some((fill) => fill.table === table.name && fill.column === column))
      .map((column) => `${table.name}.${column}`),
  );
}

/** New columns that are required and have no default. */
function requiredNew({ columns }: TableDifference): string[] {
  return columns.added
    .filter((column) => column.isNotNull && column.default === null && !column.isCounted)
    .map(({ name }) => name);
}

/** Columns that have become required. */
function requiredNow({ changedColumns }: TableDifference): string[] {
  return changedColumns
    .filter(({ before, after }) => after.isNotNull && !before.isNotNull)
    .map(({ after }) => after.name);
}

function findTarget(
  { table, column }: Backfill,
  { altered }: SchemaDifference,
): { table: string; isNew: boolean } {
  const shown = table === null ? column : `${table}.${column}`;
  const found = altered
    .filter(({ name }) => table === null || name === table)
    .flatMap((one) => {
      const isNew = one.columns.added.some(({ name, isCounted }) => name === column && !isCounted);
      return isNew || requiredNow(one).includes(column) ? [{ table: one.name, isNew }] : [];
    });
  const [first, second] = found;
  if (first === undefined) {
    throw new InvalidMigrationError(
      `Cannot backfill "${shown}": this migration neither adds such a column to a table that is there, nor makes it required`,
    );
  }
  if (second === undefined) return first;
  const choices = found.map((one) => `"${one.table}.${column}"`).join(" or ");
  throw new InvalidMigrationError(`Cannot backfill "${shown}": write ${choices}`);
}

function findColumn(
  schema: Readonly<Record<string, unknown>>,
  { table: name, column }: { readonly table: string; readonly column: string },
): Column {
  const table = Object.values(schema).find((one) => is(one, Table) && getTableName(one) === name);
  const found = is(table, Table) ? getTableColumns(table)[column] : undefined;
  if (found === undefined) throw new Error(`The schema has no column "${name}.${column}"`);
  return found;
}

function toSql(text: string, column: Column, dialect: Dialect): string {
  const kind = declarationOf(column)?.kind;
  if (kind === undefined) throw new Error(`The column "${column.name}" isn't one of "xcore/schema"`);
  if (/\r|--> statement-breakpoint/.test(text)) {
    throw refuse(column, "a migration can't hold a carriage return or what stands between statements");
  }
  if (text.startsWith(EXPRESSION)) {
    const expression = text.slice(EXPRESSION.length).trim();
    if (expression === "") throw refuse(column, "the expression after sql: is empty");
    return `(${expression})`;
  }
  if (kind.type === "timestamp" && text === "now") return createDialectTables(dialect).toText(NOW[dialect]);
  const value = toValue(text, kind, column);
  try {
    return toLiteral(column.mapToDriverValue(value) as string | number | boolean, dialect);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^.*?": /, "") : String(error);
    throw refuse(column, reason);
  }
}

function toValue(text: string, kind: ColumnKind, column: Column): unknown {
  switch (kind.type) {
    case "id":
    case "references":
    case "integer":
    case "bigint":
      if (!/^-?\d+$/.test(text)) throw refuse(column, "it isn't an integer");
      return Number(text);
    case "boolean":
      if (text !== "true" && text !== "false") throw refuse(column, "it is neither true nor false");
      return text === "true";
    case "timestamp":
      if (!MOMENT.test(text)) {
        throw refuse(column, 'it is neither "now" nor a time with its zone, such as "2026-11-22T08:00:00Z"');
      }
      return new Date(text);
    case "json":
      return parseJson(text, column);
    case "enum":
      if (kind.values.includes(text)) return text;
      throw refuse(column, `it is none of ${kind.values.map((one) => `"${one}"`).join(", ")}`);
    case "varchar":
      if (Array.from(text).length <= kind.length) return text;
      throw refuse(column, `it has more than ${kind.length} characters`);
    default:
      return text;
  }
}

function parseJson(text: string, column: Column): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw refuse(column, "it isn't JSON");
  }
}

function refuse(column: Column, reason: string): InvalidMigrationError {
  const shown = `${getTableName(column.table)}.${column.name}`;
  return new InvalidMigrationError(`Cannot backfill "${shown}" with this value: ${reason}`);
}
