import {
  type AnyColumn,
  and,
  Column,
  eq,
  gt,
  gte,
  is,
  isNotNull,
  isNull,
  lt,
  lte,
  or,
  type Param,
  type SQL,
  sql,
} from "drizzle-orm";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import type { Dialect } from "../contract/driver.ts";
import { type Direction, type Expression, identify, toOperand } from "../drizzle/expressions.ts";
import { canBeNull } from "../drizzle/null-order.ts";
import { HIDDEN } from "../drizzle/row-mapper.ts";
import { toTimeText } from "../drizzle/time-text.ts";
import { listFields, type Select } from "../drizzle/select-parts.ts";
import { toAggregate } from "../schema/aggregates.ts";
import { type ColumnKind, declarationOf } from "../schema/column-kind.ts";
import { MAX_CURSOR_LENGTH, MAX_PAGE } from "./page-query.ts";

type Value = string | number | boolean | null;

/** One of the things that rows are sorted by. */
export interface Term {
  readonly field: Expression;
  readonly direction: Direction;
}

/** A term, and where a row has its value. */
interface Place {
  /** A column, or an expression of SQL that the operators of drizzle take as one. */
  readonly operand: AnyColumn;
  readonly direction: Direction;
  readonly isNullable: boolean;
  /** Of a column of "xcore/schema", whose values are read and written as everywhere. */
  readonly kind: ColumnKind | null;
  /** Position among the values of a row. */
  readonly index: number;
  readonly isNumeric: boolean;
}

/** How pages in one order are gone on with: a cursor names the last row by the values that it is sorted by. */
export interface Cursors {
  /** What has to be selected besides, by names that begin with HIDDEN. */
  readonly hidden: Readonly<Record<string, Expression>>;
  /** Names what comes after a row; undefined for one whose values are too long. */
  write(row: readonly unknown[], page: number): string | undefined;
  /** @throws AppError `validation_error` for anything but what `write` gave for this order */
  read(text: string): { readonly page: number; readonly where: SQL };
}

/** The error of a cursor that can't be used. */
export function noCursor(message = 'Expected the "next" of a page with the same "sort"'): AppError {
  return fail("validation_error", "Cannot go on after this cursor: it is none of this list", {
    errors: [{ path: "/query/after", code: "invalid", message }],
  });
}

/** Makes the cursors of an order; null where one of its terms has words that can't be read. */
export function createCursors(select: Select, terms: readonly (Term | null)[]): Cursors | null {
  const hidden: Record<string, Expression> = {};
  const places: Place[] = [];
  const selected = listFields(select.config.fields).map(([, field]) => field);
  for (const term of terms) {
    if (term === null) return null;
    const place = toPlace(select, term);
    const found = selected.findIndex((field) => isSame(field, term.field));
    // What is selected twice makes more rows differ.
    if (found === -1 && select.config.distinct) return null;
    if (found === -1) hidden[`${HIDDEN}${places.length}`] = place.operand;
    places.push({ ...place, index: found === -1 ? selected.length + Object.keys(hidden).length - 1 : found });
  }
  const mark = markOf(terms as readonly Term[]);
  return {
    hidden,
    write(row, page) {
      const values = places.map((place) => toValue(place, row[place.index]));
      const text = Buffer.from(JSON.stringify([mark, page, ...values])).toString("base64url");
      return text.length > MAX_CURSOR_LENGTH ? undefined : text;
    },
    read(text) {
      const [page, values] = parse(text, mark);
      if (values.length !== places.length) throw noCursor();
      const given = values.map((value, index) => toGiven(places[index] as Place, value));
      return { page, where: toCondition(places, given, select.database) };
    },
  };
}

function toPlace({ config }: Select, { field, direction }: Term): Place {
  const found = toOperand(field);
  const operand = is(found, Column) ? found : (sql`${found}` as unknown as AnyColumn);
  const kind = declarationOf(operand)?.kind ?? null;
  const isNumeric = kind?.type === "decimal" || toAggregate(field) !== null;
  return { operand, direction, isNullable: canBeNull(field, config), kind, index: -1, isNumeric };
}

/** Whether a selected field has the value that a term sorts by: aggregates are selected in another form. */
function isSame(selected: Expression, sorted: Expression): boolean {
  if (is(selected, Column) && is(sorted, Column)) return identify(selected) === identify(sorted);
  return selected === sorted && toAggregate(sorted) === null;
}

/** Tells orders apart. */
function markOf(terms: readonly Term[]): number {
  const names = terms.map(({ field, direction }) => [direction, is(field, Column) ? identify(field) : ""]);
  return Bun.hash.crc32(JSON.stringify(names));
}

/** A value as JSON. */
function toValue({ operand, kind }: Place, value: unknown): unknown {
  if (kind === null || value === null) return value;
  const time = kind.type === "timestamp" && typeof value === "number" ? toTimeText(value) : null;
  return time ?? operand.mapFromDriverValue(value);
}

function parse(text: string, mark: number): [page: number, values: readonly Value[]] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    throw noCursor();
  }
  const [found, page, ...values] = (Array.isArray(parsed) ? parsed : []) as unknown[];
  const isPage = Number.isInteger(page) && (page as number) > 1 && (page as number) <= MAX_PAGE;
  if (found !== mark || !isPage || !values.every(isValue)) throw noCursor();
  return [page as number, values];
}

function isValue(value: unknown): value is Value {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\0");
  return value === null || typeof value === "boolean" || Number.isFinite(value);
}

/** What stands for a value in a comparison: null for NULL. @throws AppError for what the column can't hold */
function toGiven({ operand, kind }: Place, value: Value): unknown {
  if (kind === null || value === null) return value;
  const given = kind.type === "timestamp" ? new Date(value as string) : value;
  try {
    operand.mapToDriverValue(given);
  } catch {
    throw noCursor();
  }
  return given;
}

/** The rows that come after those with these values: NULL comes last, and first downwards. */
function toCondition(places: readonly Place[], values: readonly unknown[], database: Dialect): SQL {
  const bound = places.map((place, index) => bind(place, values[index], database));
  if (canCompareAtOnce(places, values, database)) {
    const sign = sql.raw(places[0]?.direction === "desc" ? "<" : ">");
    const columns = sql.join(
      places.map(({ operand }) => sql`${operand}`),
      sql`, `,
    );
    return sql`(${columns}) ${sign} (${sql.join(bound, sql`, `)})`;
  }
  let condition: SQL | undefined;
  for (let index = places.length - 1; index >= 0; index -= 1) {
    const { operand, direction, isNullable } = places[index] as Place;
    const isNone = values[index] === null;
    const same = isNone ? isNull(operand) : eq(operand, bound[index]);
    const beyond = direction === "asc" ? gt(operand, bound[index]) : lt(operand, bound[index]);
    const none = direction === "asc" ? undefined : isNotNull(operand);
    const later = direction === "asc" && isNullable ? or(beyond, isNull(operand)) : beyond;
    condition = or(isNone ? none : later, condition && and(same, condition));
  }
  return and(toStart(places[0], bound[0], values[0]), condition) ?? sql`1 = 0`;
}

/** Says of the first term alone where the rest begins: an index finds its way there. */
function toStart(place: Place | undefined, bound: unknown, value: unknown): SQL | undefined {
  if (place === undefined || value === null) return undefined;
  const { operand, direction, isNullable } = place;
  if (direction === "desc") return lte(operand, bound);
  return isNullable ? undefined : gte(operand, bound);
}

/** Whether a comparison of rows says the same, through an index of several columns. MySQL's don't serve one. */
function canCompareAtOnce(places: readonly Place[], values: readonly unknown[], database: Dialect): boolean {
  if (database === "mysql" || places.length < 2) return false;
  return places.every(({ direction, isNullable, kind }, index) => {
    const isUsable = kind !== null && kind.type !== "decimal" && values[index] !== null;
    return isUsable && direction === places[0]?.direction && (direction === "desc" || !isNullable);
  });
}

/** A text that MySQL compares with a number would be a double. */
function bind({ operand, kind, isNumeric }: Place, value: unknown, database: Dialect): Param | SQL {
  const param = is(operand, Column) ? sql.param(value, operand) : sql`${value}`;
  if (database !== "mysql" || !isNumeric || value === null) return param;
  const size = kind?.type === "decimal" ? `${kind.precision}, ${kind.scale}` : "65, 30";
  return sql`cast(${param} as decimal(${sql.raw(size)}))`;
}
