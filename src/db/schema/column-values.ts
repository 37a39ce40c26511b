import { type Column, getTableName, type SQL, sql } from "drizzle-orm";
import { DatabaseError } from "../contract/database-error.ts";
import type { Dialect } from "../contract/driver.ts";
import type { ColumnKind } from "./column-kind.ts";
import { toFittingDecimal, toRoundedDecimal } from "./decimal-text.ts";

/** How the values of a column are written and read. What doesn't fit throws DatabaseError: "value" where it is written, "other" where it is read. */
export interface ColumnValues<Data> {
  /** Takes values of the declared type and refuses any other: rows often come from outside. */
  readonly encode: (value: unknown, column?: Column) => string | number | boolean;
  readonly decode?: (value: unknown, column?: Column) => Data;
}

const MAX_INTEGER = 2 ** 31 - 1;
const MIN_INTEGER = -(2 ** 31);
/** Decimals of up to so many digits survive as a double. */
export const EXACT_DOUBLE_DIGITS = 15;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
/** MariaDB takes no more. */
const MAX_JSON_DEPTH = 31;
const MIN_TIME_MS = Date.parse("0001-01-01T00:00:00.000Z");
const MAX_TIME_MS = Date.parse("9999-12-31T23:59:59.999Z");
/** U+0000 and halves of surrogate pairs, as JSON.stringify writes them; an even number of "\" escapes only itself. */
const UNSTORABLE_IN_JSON = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

export const textValues: ColumnValues<string> = {
  encode(value, column) {
    if (typeof value !== "string") throw toError("store", "it isn't a string", column);
    // PostgreSQL refuses both; UTF-8 can't hold the second.
    if (value.includes("\0")) throw toError("store", "it holds the character U+0000", column);
    if (!value.isWellFormed()) throw toError("store", "it holds half of a surrogate pair", column);
    return value;
  },
};

/** PostgreSQL and MySQL would cut spaces that are too many at the end, without a word. */
export function varcharValues(length: number): ColumnValues<string> {
  return {
    encode(value, column) {
      const text = textValues.encode(value, column) as string;
      if (text.length > length && text.endsWith(" ") && isCut(text, length)) {
        throw toError("store", `it is longer than ${length} characters`, column);
      }
      return text;
    },
  };
}

/** Whether a text is too long by its spaces alone; by anything else, the database refuses it. */
function isCut(text: string, length: number): boolean {
  let end = text.length;
  while (text[end - 1] === " ") end -= 1;
  return Array.from(text).length > length && Array.from(text.slice(0, end)).length <= length;
}

export const booleanValues: ColumnValues<boolean> = {
  encode(value, column) {
    if (typeof value === "boolean") return value;
    throw toError("store", "it isn't a boolean", column);
  },
};

export const uuidValues: ColumnValues<string> = {
  encode(value, column) {
    const text = typeof value === "string" ? value.toLowerCase() : "";
    if (!UUID.test(text)) throw toError("store", "it isn't a UUID", column);
    return text;
  },
};

export const integerValues: ColumnValues<number> = {
  encode(value, column) {
    const isInteger = typeof value === "number" && Number.isInteger(value);
    if (isInteger && value >= MIN_INTEGER && value <= MAX_INTEGER) return value;
    throw toError("store", "it isn't an integer of 32 bits", column);
  },
  decode: Number,
};

export const bigintValues: ColumnValues<number> = {
  encode(value, column) {
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    throw toError("store", "it isn't a safe integer (at most 2^53 - 1)", column);
  },
  decode(value, column) {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw toError("read", "it isn't a safe integer (at most 2^53 - 1)", column);
  },
};

export function decimalValues(precision: number, scale: number): ColumnValues<string> {
  return {
    encode(value, column) {
      const text = toFittingDecimal(value, precision, scale);
      if (text === null) throw toError("store", `it doesn't fit decimal(${precision}, ${scale})`, column);
      return text;
    },
    decode(value, column) {
      if (typeof value === "number") {
        if (precision <= EXACT_DOUBLE_DIGITS) return withoutNegativeZero(value.toFixed(scale));
        throw toError("read", "digits were lost on the way, as it arrived as a double", column);
      }
      const text = toRoundedDecimal(value, scale);
      if (text === null) throw toError("read", "it isn't a decimal", column);
      return text;
    },
  };
}

export function timestampValues(dialect: Dialect): ColumnValues<Date> {
  return {
    encode(value, column) {
      const time = value instanceof Date ? value.getTime() : Number.NaN;
      if (!(value instanceof Date && time >= MIN_TIME_MS && time <= MAX_TIME_MS)) {
        throw toError("store", "it isn't a Date between the years 1 and 9999", column);
      }
      if (dialect === "sqlite") return time;
      const text = value.toISOString();
      return dialect === "postgres" ? text : text.slice(0, -1).replace("T", " ");
    },
    decode(value, column) {
      const date = toDate(value);
      if (Number.isNaN(date.getTime())) throw toError("read", "it isn't a time", column);
      return date;
    },
  };
}

export const dateValues: ColumnValues<string> = {
  encode(value, column) {
    const text = typeof value === "string" ? value : "";
    const time = DATE.test(text) ? Date.parse(text) : Number.NaN;
    // Date.parse takes "2023-02-30" for the 2nd of March.
    if (!(time >= MIN_TIME_MS) || new Date(time).toISOString().slice(0, 10) !== text) {
      throw toError("store", 'it isn\'t a date such as "2024-12-31"', column);
    }
    return text;
  },
};

/** On PostgreSQL the driver gives parsed values, on SQLite and MySQL the text: a string is never ambiguous. */
export function jsonValues(dialect: Dialect): ColumnValues<unknown> {
  return {
    encode(value, column) {
      const text = toJson(value, column);
      const loss = findLoss(value, 0);
      if (loss !== null) throw toError("store", loss, column);
      if (UNSTORABLE_IN_JSON.test(text)) {
        throw toError("store", "it holds the character U+0000 or half of a surrogate pair", column);
      }
      return text;
    },
    decode(value) {
      return dialect !== "postgres" && typeof value === "string" ? JSON.parse(value) : value;
    },
  };
}

/**
 * The SQL of a column's default. Written here for every kind, as drizzle-kit's own quoting differs between the
 * dialects (a Date in an integer column of SQLite, JSON with quotes, a backslash on MySQL).
 */
export function toDefaultSql(
  value: string | number | boolean | null,
  kind: ColumnKind,
  dialect: Dialect,
): SQL {
  const literal = toLiteral(value, dialect);
  // MySQL takes defaults of text and JSON columns only as expressions.
  const isExpression = dialect === "mysql" && (kind.type === "text" || kind.type === "json");
  return sql.raw(isExpression ? `(${literal})` : literal);
}

/** A string as SQL writes it. */
export function toStringLiteral(value: string, dialect: Dialect): string {
  const text = dialect === "mysql" ? value.replaceAll("\\", "\\\\") : value;
  return `'${text.replaceAll("'", "''")}'`;
}

function toJson(value: unknown, column: Column | undefined): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // Its message may quote what it couldn't write.
  }
  if (text === undefined) throw toError("store", "it can't be written as JSON", column);
  return text;
}

/** What JSON.stringify would leave out or replace without a word; null for what stays as it is. */
function findLoss(value: unknown, depth: number): string | null {
  if (typeof value === "number" && !Number.isFinite(value)) return "it holds a number that JSON has not";
  if (typeof value === "function" || typeof value === "symbol") return `it holds a ${typeof value}`;
  if (typeof value !== "object" || value === null) return null;
  if (depth >= MAX_JSON_DEPTH) return `it is nested deeper than ${MAX_JSON_DEPTH} levels`;
  if (value instanceof Date && Number.isNaN(value.getTime())) return "it holds an invalid Date";
  if ("toJSON" in value) return null;
  if (Array.isArray(value)) return findLossIn(value, depth, "an undefined item");
  const isPlain = [Object.prototype, null].includes(Object.getPrototypeOf(value));
  const items = Object.values(value);
  if (!isPlain && (items.length === 0 || ArrayBuffer.isView(value))) {
    return `it holds an object that JSON has not (${value.constructor.name})`;
  }
  return findLossIn(
    items.filter((item) => item !== undefined),
    depth,
  );
}

function findLossIn(items: readonly unknown[], depth: number, undefinedItem?: string): string | null {
  for (const item of items) {
    if (item === undefined) return `it holds ${undefinedItem}`;
    const loss = findLoss(item, depth + 1);
    if (loss !== null) return loss;
  }
  return null;
}

/** Reads the time as numbers, or as text in UTC unless it names its offset. */
function toDate(value: unknown): Date {
  if (value instanceof Date) return value;
  if (typeof value !== "string") return new Date(Number(value));
  const [, offset = ""] = /(Z|[+-]\d\d(?::?\d\d)?)$/.exec(value.slice("2024-12-31".length)) ?? [];
  const time = value.slice(0, value.length - offset.length).replace(" ", "T");
  if (offset === "") return new Date(`${time}Z`);
  return new Date(time + (offset.length === "+00".length ? `${offset}:00` : offset));
}

function withoutNegativeZero(text: string): string {
  return /[1-9]/.test(text) ? text : text.replace("-", "");
}

/** Names the column, never the value. */
function toError(action: "store" | "read", state: string, column: Column | undefined): DatabaseError {
  const fault = action === "store" ? "value" : "other";
  if (column === undefined) return new DatabaseError(fault, `Cannot ${action} a value: ${state}`);
  const table = getTableName(column.table);
  const message = `Cannot ${action} a value of "${table}"."${column.name}": ${state}`;
  return new DatabaseError(fault, message, { table, column: column.name });
}

/** A value as SQL writes it. */
export function toLiteral(value: string | number | boolean | null, dialect: Dialect): string {
  if (typeof value === "string") return toStringLiteral(value, dialect);
  if (typeof value === "boolean" && dialect === "sqlite") return value ? "1" : "0";
  return String(value);
}
