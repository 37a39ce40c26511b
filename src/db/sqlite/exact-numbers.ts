import { Column, is, Param, Placeholder, type SQL, sql, StringChunk } from "drizzle-orm";
import type { WriteTerm } from "../drizzle/null-order.ts";
import type { Aggregate } from "../schema/aggregates.ts";
import { declarationOf } from "../schema/column-kind.ts";
import { decimalValues, EXACT_DOUBLE_DIGITS } from "../schema/column-values.ts";

// SQLite's numbers are doubles: it adds up 0.1 and 0.2 to 0.30000000000000004. As whole numbers of the smallest unit, in
// two parts that don't overflow, the sum is exact. Decimals of more than 15 digits are text, which only code can add up.

const NULLS = { asc: "asc nulls last", desc: "desc nulls first" } as const;
/** The digits of a sum's lower part. */
const PART = 9;
const PART_SIZE = 10n ** BigInt(PART);

/**
 * How an aggregate is written where SQL goes on with it: as a number, with the 15 digits of a double. The cast makes
 * SQLite compare it with "9.99" as a number too.
 */
export function toNumberSql(aggregate: Aggregate): SQL | null {
  const { kind, column, isDistinct, precision, scale } = aggregate;
  if (kind === "min" || kind === "max") return null;
  const distinct = sql.raw(isDistinct ? "distinct " : "");
  if (precision === null || isText(aggregate)) {
    const type = sql.raw(kind === "sum" && precision === null ? "integer" : "real");
    return sql`cast(${sql.raw(kind)}(${distinct}${column}) as ${type})`;
  }
  const units = toUnits(aggregate);
  const part = sql.raw(`${PART_SIZE}`);
  const total = isDistinct
    ? sql`sum(distinct ${units})`
    : sql`(sum(${units} / ${part}) * 1e${sql.raw(String(PART))} + sum(${units} % ${part}))`;
  const value = sql`${total} / 1e${sql.raw(String(scale))}`;
  return kind === "sum"
    ? sql`cast(${value} as real)`
    : sql`cast(${value} / count(${distinct}${column}) as real)`;
}

/** How an aggregate is written for `readResult`; null where SQLite's own result is exact. */
export function toExactSql(aggregate: Aggregate): SQL | null {
  const { column, isDistinct } = aggregate;
  if (!needsReading(aggregate)) return null;
  const value = isText(aggregate) ? sql`${column}` : toUnits(aggregate);
  if (isDistinct) return sql`group_concat(distinct ${value})`;
  if (isText(aggregate)) return sql`group_concat(${value})`;
  const part = sql.raw(`${PART_SIZE}`);
  return sql`sum(${value} / ${part}) || ':' || sum(${value} % ${part}) || ':' || count(${column})`;
}

/** Whether what SQLite makes of it isn't the result yet. */
export function needsReading(aggregate: Aggregate): boolean {
  return aggregate.kind === "sum" || aggregate.kind === "avg" || isText(aggregate);
}

/** Reads what the database gives for an aggregate, however it was written. */
export function readResult(aggregate: Aggregate, value: unknown): unknown {
  const { kind, precision, resultScale } = aggregate;
  if (typeof value === "number") {
    return precision === null && kind === "sum" ? String(value) : value.toFixed(resultScale);
  }
  if (typeof value !== "string") return value;
  const { total, count, least, most } = readUnits(aggregate, value);
  if (kind === "min") return toText(least, resultScale);
  if (kind === "max") return toText(most, resultScale);
  if (kind === "sum") return toText(total, resultScale);
  const factor = 10n ** BigInt(resultScale - aggregate.scale);
  return toText(divide(total * factor, count), resultScale);
}

/** Whether a column holds decimals as text. */
function isTextDecimal(column: unknown): column is Column {
  if (!is(column, Column)) return false;
  const kind = declarationOf(column)?.kind;
  return kind?.type === "decimal" && kind.precision > EXACT_DOUBLE_DIGITS;
}

/** How SQLite writes a term of an ORDER BY: its indexes serve an order with NULL last, too. */
export const writeNullsForSqlite: WriteTerm = ({ field, direction, isNullable }) =>
  isNullable ? sql`${field} ${sql.raw(NULLS[direction])}` : null;

/** As `writeNullsForSqlite`, and decimals kept as text sort by their value: what a union can't. */
export const writeTermForSqlite: WriteTerm = (parts) => {
  const { field, direction } = parts;
  if (!isTextDecimal(field)) return writeNullsForSqlite(parts);
  const way = sql.raw(direction);
  const back = sql.raw(direction === "asc" ? "desc" : "asc");
  // All have as many digits after the point: a longer one is further from zero.
  const length = sql`iif(${field} < '0', -length(${field}), length(${field}))`;
  const [positive, negative] = [
    sql`iif(${field} < '0', null, ${field})`,
    sql`iif(${field} < '0', ${field}, null)`,
  ];
  return sql`${length} ${sql.raw(NULLS[direction])}, ${positive} ${way}, ${negative} ${back}`;
};

const COMPARISON = /^ (<|>|<=|>=) $/;

/** `gt(column, "9.99")` and its sisters of a decimal kept as text, by value; null for any other SQL. */
export function toNumericComparison(parts: SQL["queryChunks"]): SQL | null {
  const [, column, operator, value] = parts;
  if (!isTextDecimal(column)) return null;
  if (parts.length === 5) {
    const sign = COMPARISON.exec(textOf(operator))?.[1];
    return sign === undefined ? null : compare(column, sign, value);
  }
  if (parts.length !== 7 || !/^ (?:not )?between $/.test(textOf(operator))) return null;
  const [low, high] = [compare(column, ">=", value), compare(column, "<=", parts[5])];
  if (low === null || high === null) return null;
  return textOf(operator) === " between " ? sql`(${low} and ${high})` : sql`not (${low} and ${high})`;
}

function compare(column: Column, sign: string, value: unknown): SQL | null {
  if (!is(value, Param) || is(value.value, Placeholder) || value.value === null) return null;
  const text = String(column.mapToDriverValue(value.value));
  const isNegative = text.startsWith("-");
  // Of two negative ones, the one with the smaller text is the greater.
  const operator = sql.raw(isNegative ? (sign.startsWith("<") ? ">" : "<") + sign.slice(1) : sign);
  const near = sql`(length(${column}), ${column}) ${operator} (${text.length}, ${text})`;
  // What has the other sign is on one side of all with this one.
  const isOther = isNegative ? sql`${column} >= '0'` : sql`${column} < '0'`;
  const isIncluded = isNegative === sign.startsWith(">");
  return isIncluded ? sql`(${isOther} or ${near})` : sql`(not (${isOther}) and ${near})`;
}

function isText({ precision }: Aggregate): boolean {
  return precision !== null && precision > EXACT_DOUBLE_DIGITS;
}

/** A value of the column as a whole number of its smallest unit. */
function toUnits({ column, precision, scale }: Aggregate): SQL {
  return precision === null
    ? sql`${column}`
    : sql`cast(round(${column} * ${sql.raw(`1e${scale}`)}) as integer)`;
}

interface Units {
  readonly total: bigint;
  readonly count: bigint;
  readonly least: bigint;
  readonly most: bigint;
}

function readUnits(aggregate: Aggregate, value: string): Units {
  const [high = "0", low, number = "0"] = value.split(":");
  if (low !== undefined) {
    const total = BigInt(high) * PART_SIZE + BigInt(low);
    return { total, count: BigInt(number), least: total, most: total };
  }
  const { decode } = decimalValues(aggregate.precision ?? 0, aggregate.scale);
  const all = value.split(",").map((text) => {
    const decimal = isText(aggregate) ? decode?.(text) : text;
    return BigInt((decimal ?? "0").replace(".", ""));
  });
  const [first = 0n] = all;
  return {
    total: all.reduce((sum, one) => sum + one, 0n),
    count: BigInt(all.length),
    least: all.reduce((least, one) => (one < least ? one : least), first),
    most: all.reduce((most, one) => (one > most ? one : most), first),
  };
}

/** Rounded half away from zero, as PostgreSQL and MySQL do. */
function divide(total: bigint, count: bigint): bigint {
  const half = total < 0n ? -count : count;
  return (total * 2n + half) / (count * 2n);
}

function toText(units: bigint, scale: number): string {
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, "0");
  const point = digits.length - scale;
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return units < 0n ? `-${text}` : text;
}

function textOf(chunk: unknown): string {
  return is(chunk, StringChunk) ? (chunk.value[0] ?? "") : "";
}
