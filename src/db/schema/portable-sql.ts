import { and, Column, gte, is, isNotNull, lt, SQL, sql, StringChunk } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { isOfKind } from "../drizzle/expressions.ts";
import { kindOf } from "./column-kind.ts";

/** After every text with the same beginning, byte by byte. */
const LAST_CHARACTER = "\u{10FFFF}";

/** What of a day or a moment stays: `2026-01-31`, `2026-01`, `2026-Q1`, `2026`. */
export type DatePart = "day" | "month" | "quarter" | "year";

export const DATE_PARTS: readonly DatePart[] = ["day", "month", "quarter", "year"];

// Written into the text: as parameters, two of the same expression would be two to PostgreSQL.
const FORMATS = {
  sqlite: { day: "'%Y-%m-%d'", month: "'%Y-%m'", year: "'%Y'" },
  postgres: {
    day: "'YYYY-MM-DD'",
    month: "'YYYY-MM'",
    quarter: `'YYYY-"Q"Q'`,
    year: "'YYYY'",
  },
} as const;

/** The condition that a text begins with this one, every letter as it is; an index on the column serves it. */
export function startsWith(column: PgColumn, prefix: string): SQL | undefined {
  const end = prefix + LAST_CHARACTER;
  // Typed as PostgreSQL's on every database. There, bytes are compared whatever the locale is, which indexes with
  // `varchar_pattern_ops` serve; SQLite and MySQL compare bytes anyway.
  if (isOfKind(column, "PgColumn")) return sql`(${column} ~>=~ ${prefix} and ${column} ~<~ ${end})`;
  return and(gte(column, prefix), lt(column, end));
}

/**
 * The condition that a text contains this one, whatever the case of ASCII letters: all others are compared as they are,
 * on every database. None of its characters stands for others.
 */
export function contains(column: Column, text: string): SQL {
  if (text === "") return isNotNull(column);
  if (isOfKind(column, "MySqlColumn")) return sql`${column} regexp ${toPattern(text)}`;
  const small = text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  // PostgreSQL's lower() changes what the locale of the column says.
  return isOfKind(column, "PgColumn")
    ? sql`strpos(lower(${column} collate "C"), ${small}) > 0`
    : sql`instr(lower(${column}), ${small}) > 0`;
}

/** The day, month, quarter or year in UTC of a `date()` or a `timestamp()`, the same text on every database. */
export function datePart(column: Column, part: DatePart): SQL<string> {
  if (isOfKind(column, "PgColumn")) return ofPostgres(column, part);
  return isOfKind(column, "MySqlColumn") ? ofMysql(column, part) : ofSqlite(column, part);
}

/** MySQL's lower() changes all letters. */
function toPattern(text: string): string {
  return text.replaceAll(/[a-zA-Z]|[^\w\s\u0080-\u{10ffff}]/gu, (character) =>
    /[a-zA-Z]/.test(character) ? `[${character.toLowerCase()}${character.toUpperCase()}]` : `\\${character}`,
  );
}

function ofPostgres(column: Column, part: DatePart): SQL<string> {
  const format = sql.raw(FORMATS.postgres[part]);
  return isMoment(column)
    ? sql`to_char(${column} at time zone 'UTC', ${format})`
    : sql`to_char(${column}, ${format})`;
}

function ofMysql(column: Column, part: DatePart): SQL<string> {
  // Its formats are SQLite's.
  if (part !== "quarter") return sql`date_format(${column}, ${sql.raw(FORMATS.sqlite[part])})`;
  return sql`concat(date_format(${column}, '%Y'), '-Q', quarter(${column}))`;
}

function ofSqlite(column: Column, part: DatePart): SQL<string> {
  // As a fraction: whole milliseconds before 1970 would be rounded towards it.
  const format = (text: string): SQL<string> =>
    isMoment(column)
      ? sql`strftime(${sql.raw(text)}, ${column} / 1000.0, 'unixepoch')`
      : sql`strftime(${sql.raw(text)}, ${column})`;
  if (part !== "quarter") return format(FORMATS.sqlite[part]);
  return sql`${format("'%Y-Q'")} || ((${format("'%m'")} + 2) / 3)`;
}

function isMoment(column: Column): boolean {
  return kindOf(column).type === "timestamp";
}

/** The columns that a condition looks at; null where it may look at more than the columns that it names, such as other rows. */
export function columnsOf(condition: SQL): Column[] | null {
  const columns: Column[] = [];
  const isPlain = (chunk: unknown): boolean => {
    if (Array.isArray(chunk)) return chunk.every(isPlain);
    if (is(chunk, SQL)) return chunk.queryChunks.every(isPlain);
    if (is(chunk, StringChunk)) return !/\bselect\b/i.test(chunk.value.join(""));
    if (is(chunk, Column)) {
      columns.push(chunk);
      return true;
    }
    if (typeof chunk !== "object" || chunk === null) return true;
    return "encoder" in chunk; // a value
  };
  return isPlain(condition) ? columns : null;
}
