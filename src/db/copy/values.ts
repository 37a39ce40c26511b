import type { Dialect } from "../contract/driver.ts";
import { DatabaseError } from "../contract/database-error.ts";
import { sameJson } from "./json-text.ts";
import type { Cell, CopyColumn, Kind, Raw } from "./contract.ts";

/** How the values of a column go from one database to another. */
export interface Passage {
  readonly kind: Kind;
  /** Reads a value of the database that is copied. @throws RangeError that says what the value is */
  readonly decode: (value: Raw) => Cell;
  /** Reads the value again where it was copied to. */
  readonly decodeCopy: (value: Raw) => Cell;
  /** Makes of it what the other database takes. */
  readonly encode: (value: Cell) => Cell;
  /** The same text for values that mean the same: of JSON whatever its spaces, of a decimal whatever its zeros. */
  readonly toComparable: (value: Cell) => string;
}

interface Side {
  readonly dialect: Dialect;
  readonly column: CopyColumn;
}

const FINER_THAN_MS = /\.\d{3}\d*[1-9]/;
const DATE_TIME = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00(?::?00)?)?$/;

/** @throws DatabaseError where one column can't hold what the other does */
export function toPassage(from: Side, to: Side, table: string): Passage {
  const kind = joinKinds(from.column.kind, to.column.kind);
  if (kind === null) {
    const { name } = from.column;
    throw new DatabaseError(
      "other",
      `Cannot copy "${table}"."${name}": it is ${from.column.type}, and ${to.column.type} in the copy; give it the same type on both databases`,
    );
  }
  return {
    kind,
    decode: DECODERS[kind],
    decodeCopy: DECODERS[kind],
    encode: toEncoder(kind, to),
    toComparable: COMPARABLES[kind] ?? toText,
  };
}

const LOOSER: Readonly<Partial<Record<Kind, readonly Kind[]>>> = {
  boolean: ["integer"],
  json: ["text"],
  uuid: ["text"],
  decimal: ["integer", "text"],
  float: ["decimal"],
};

/** What both hold: the kind that says more of its values. */
function joinKinds(a: Kind, b: Kind): Kind | null {
  if (a === b || b === "any") return a;
  if (a === "any") return b;
  if (LOOSER[a]?.includes(b) === true) return a;
  return LOOSER[b]?.includes(a) === true ? b : null;
}

const DECODERS: Readonly<Record<Kind, (value: Raw) => Cell>> = {
  any: (value) => (typeof value === "boolean" ? Number(value) : value),
  blob: (value) => (typeof value === "string" ? Buffer.from(value) : asBytes(value)),
  boolean: (value) => (value === null ? null : toBoolean(value)),
  decimal: (value) => (value === null ? null : toDecimal(value)),
  float: (value) => (value === null ? null : String(Number(value))),
  integer: (value) => (value === null ? null : toInteger(value)),
  json: (value) => asText(value),
  text: (value) => asText(value),
  timestamp: (value) => (value === null ? null : toMoment(value)),
  uuid: (value) => asText(value)?.toLowerCase() ?? null,
};

const COMPARABLES: Readonly<Partial<Record<Kind, (value: Cell) => string>>> = {
  any: (value) => (value instanceof Uint8Array ? `b${toText(value)}` : `${typeof value}${String(value)}`),
  decimal: (value) => withoutZeros(toText(value)),
  json: (value) => sameJson(toText(value)),
};

function toText(value: Cell): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : String(value);
}

function asText(value: Raw): string | null {
  if (value === null || typeof value === "string") return value;
  if (value instanceof Uint8Array) throw new RangeError("it holds bytes, and its column is for text");
  return String(value);
}

function asBytes(value: Raw): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value;
  throw new RangeError("it holds a number, and its column is for bytes");
}

function toBoolean(value: Raw): string {
  const text = String(value);
  if (text === "t" || text === "true" || text === "1") return "1";
  if (text === "f" || text === "false" || text === "0") return "0";
  throw new RangeError("it is neither true nor false");
}

function toInteger(value: Raw): string {
  const text = String(value);
  if (/^-?\d+$/.test(text)) return text;
  throw new RangeError("it is no integer, and its column is for integers");
}

/** SQLite keeps decimals of 15 digits as doubles, whose shortest text has them all. */
function toDecimal(value: Raw): string {
  const text = String(value);
  if (/^-?\d+(?:\.\d+)?$/.test(text)) return text;
  const [, digits = "", exponent = ""] = /^(-?\d(?:\.\d+)?)e([+-]\d+)$/.exec(text) ?? [];
  if (digits === "") throw new RangeError("it is no decimal, and its column is for decimals");
  return shiftPoint(digits, Number(exponent));
}

/** "1.5" and -7 make "0.00000015". */
function shiftPoint(digits: string, exponent: number): string {
  const isNegative = digits.startsWith("-");
  const [whole = "", fraction = ""] = digits.replace("-", "").split(".");
  const all = `${"0".repeat(Math.max(0, -exponent))}${whole}${fraction}`.padEnd(whole.length + exponent, "0");
  const point = exponent < 0 ? whole.length : whole.length + exponent;
  const text = point >= all.length ? all : `${all.slice(0, point)}.${all.slice(point)}`;
  return isNegative ? `-${text}` : text;
}

function withoutZeros(text: string): string {
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return /[1-9]/.test(short) ? short : "0";
}

/** As "2024-12-31 10:00:00.123", in UTC and without zeros at its end. SQLite's are milliseconds. */
function toMoment(value: Raw): string {
  const isNumber = typeof value === "number" || typeof value === "bigint";
  const text = isNumber ? toIso(Number(value)) : String(value);
  const [, date, time, fraction = ""] = DATE_TIME.exec(text) ?? [];
  if (date === undefined) throw new RangeError("it is no time between the years 0 and 9999");
  const short = fraction.replace(/0+$/, "");
  return `${date} ${time}${short === "" ? "" : `.${short}`}`;
}

function toIso(ms: number): string {
  const date = new Date(ms);
  if (!Number.isInteger(ms) || Number.isNaN(date.getTime()))
    throw new RangeError("it is no time in milliseconds");
  return date.toISOString();
}

function toEncoder(kind: Kind, { dialect, column }: Side): (value: Cell) => Cell {
  if (kind === "timestamp" && dialect === "sqlite" && isNumeric(column.type)) return toMilliseconds;
  if (dialect === "sqlite") return toSqlite(kind);
  if (dialect === "postgres" && kind === "text") return (value) => withoutNul(value, "\0");
  if (dialect === "postgres" && kind === "json") return (value) => withoutNul(value, "\\u0000");
  if (kind === "boolean" && dialect === "postgres" && column.kind === "boolean") {
    return (value) => (value === null ? null : value === "1" ? "t" : "f");
  }
  return (value) => value;
}

/** SQLite gives an integer that is bound as text to a column of integers, but not to one without a type. */
function toSqlite(kind: Kind): (value: Cell) => Cell {
  if (kind === "integer" || kind === "boolean")
    return (value) => (value === null ? null : toInt64(String(value)));
  if (kind === "float") return (value) => (value === null ? null : Number(value));
  return (value) => value;
}

function toInt64(text: string): bigint {
  const number = BigInt(text);
  if (BigInt.asIntN(64, number) === number) return number;
  throw new RangeError("it is larger than SQLite's integers");
}

function toMilliseconds(value: Cell): Cell {
  if (value === null) return null;
  if (FINER_THAN_MS.test(String(value))) {
    throw new RangeError("it has more than milliseconds, which SQLite's column can't hold");
  }
  return Date.parse(`${String(value).replace(" ", "T")}Z`);
}

/** JSON has it as an escape; one with a backslash before is none. */
function withoutNul(value: Cell, nul: string): Cell {
  if (typeof value === "string" && value.includes(nul) && value.replaceAll("\\\\", "").includes(nul)) {
    throw new RangeError("it holds the character U+0000, which PostgreSQL's texts can't hold");
  }
  return value;
}

function isNumeric(type: string): boolean {
  return /int|num|dec|real|doub|floa/i.test(type);
}
