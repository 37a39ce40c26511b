import type { Column } from "drizzle-orm";
import { type ColumnKind, kindOf } from "../../db/schema/column-kind.ts";
import { toHint } from "../../errors/suggestion.ts";
import { FilterError } from "./error.ts";
import type { Comparison, Literal } from "./grammar.ts";
import { type Asking, MOMENTS, toMoment } from "./moments.ts";

/** A value of a column, as drizzle takes it. */
export type FilterValue = string | number | boolean | Date;

type Read = (literal: Literal, asking: Asking) => FilterValue | null;

/** What can be done with columns of a kind. */
interface Comparable {
  readonly isOrdered: boolean;
  readonly isText: boolean;
  /** For messages. */
  readonly expected: (kind: ColumnKind) => string;
  /** Null for what is none of the column's. */
  readonly read: Read;
}

const INSTANT = /^\d{4}-\d\d-\d\d(?:[Tt][\d:.]+(?:[Zz]|[+-]\d\d:\d\d))?$/;

const readText: Read = ({ type, text }) => (type === "text" ? text : null);
const readNumber: Read = ({ type, text }, { userId }) => {
  if (type === "moment" && text === "@me") return userId;
  return type === "number" && Number.isSafeInteger(Number(text)) ? Number(text) : null;
};
const readMoment: Read = ({ type, text }, { now }) => {
  if (type === "moment") return toMoment(text, now);
  if (type !== "text" || !INSTANT.test(text)) return null;
  const [day, moment] = [new Date(text.slice(0, "2026-01-31".length)), new Date(text)];
  const isMoment = !Number.isNaN(day.getTime()) && !Number.isNaN(moment.getTime());
  // JavaScript takes the 30th of February for the 2nd of March.
  return isMoment && day.toISOString().startsWith(text.slice(0, "2026-01-31".length)) ? moment : null;
};
const readDay: Read = ({ type, text }, { now }) => {
  if (type === "text") return text;
  return type === "moment" ? (toMoment(text, now)?.toISOString().slice(0, 10) ?? null) : null;
};

const number = { isOrdered: true, isText: false, expected: () => "a whole number, or @me", read: readNumber };
const text = { isOrdered: true, isText: true, expected: () => "text in quotes", read: readText };

const COMPARABLE: { readonly [Type in ColumnKind["type"]]?: Comparable } = {
  id: number,
  integer: number,
  bigint: number,
  references: number,
  text,
  varchar: text,
  uuid: { ...text, isOrdered: false, isText: false, expected: () => "a UUID in quotes" },
  file: { ...text, isOrdered: false, isText: false, expected: () => "the id of a file in quotes" },
  enum: { ...text, isOrdered: false, isText: false, expected: toChoice },
  boolean: {
    isOrdered: false,
    isText: false,
    expected: () => "true or false",
    read: (literal) => (literal.type === "boolean" ? literal.text === "true" : null),
  },
  decimal: {
    isOrdered: true,
    isText: false,
    expected: (kind) =>
      kind.type === "decimal"
        ? `a number of at most ${kind.precision} digits, ${kind.scale} of them behind the point`
        : "a number",
    read: (literal) => (literal.type === "number" || literal.type === "text" ? literal.text : null),
  },
  timestamp: {
    isOrdered: true,
    isText: false,
    expected: () => `a moment such as "2026-01-31" or "2026-01-31T08:30:00Z", ${MOMENTS}`,
    read: readMoment,
  },
  date: {
    isOrdered: true,
    isText: false,
    expected: () => `a day such as "2026-01-31", ${MOMENTS}`,
    read: readDay,
  },
};

/** Whether a column can be filtered by at all. */
export function isComparable(column: Column): boolean {
  return COMPARABLE[kindOf(column).type] !== undefined;
}

/**
 * The values that a column is compared with; null for "no value". Of `@me`, while nobody is known, there is none.
 *
 * @throws FilterError for what isn't the column's, or can't be compared so
 */
export function readValues(column: Column, comparison: Comparison, asking: Asking): FilterValue[] | null {
  const { field, operator, values } = comparison;
  const kind = kindOf(column);
  const comparable = COMPARABLE[kind.type];
  if (comparable === undefined) throw refuse(comparison, "a field that isn't JSON");
  const isOrdering = operator.startsWith("<") || operator.startsWith(">");
  if (isOrdering && !comparable.isOrdered) throw refuse(comparison, `= != in for "${field}"`, operator);
  if (operator.endsWith("~") && !comparable.isText) throw refuse(comparison, `text for ${operator}`, field);
  const [first] = values;
  if (values.length === 1 && first?.type === "null" && (operator === "=" || operator === "!=")) return null;
  return values.flatMap((literal) => {
    if (
      literal.text === "@me" &&
      literal.type === "moment" &&
      comparable.read === readNumber &&
      asking.userId === null
    )
      return [];
    const value = comparable.read(literal, asking);
    // What contains a text may be longer than it, and can be anything else that it is.
    const isPart = operator.endsWith("~") && !String(value).includes("\0");
    const isValue = value !== null && (isPart || isStorable(column, kind, value));
    if (!isValue) throw refuseValue(literal, kind, comparable.expected(kind));
    return [value];
  });
}

function refuse({ at }: Comparison, expected: string, found?: string): FilterError {
  return new FilterError(at, expected, found === undefined ? undefined : `"${found}"`);
}

function refuseValue({ at, text: found }: Literal, kind: ColumnKind, expected: string): FilterError {
  const hint = kind.type === "enum" ? toHint(found, kind.values) : "";
  return new FilterError(at, expected, JSON.stringify(found.slice(0, 40)), hint);
}

/** Whether the column could hold it: what it couldn't, databases compare each in its own way. */
function isStorable(column: Column, kind: ColumnKind, value: FilterValue): boolean {
  if (kind.type === "enum") return kind.values.includes(String(value));
  try {
    column.mapToDriverValue(value);
    return true;
  } catch {
    return false;
  }
}

function toChoice(kind: ColumnKind): string {
  const values = kind.type === "enum" ? kind.values : [];
  return `one of ${values.map((value) => JSON.stringify(value)).join(", ")}`;
}
