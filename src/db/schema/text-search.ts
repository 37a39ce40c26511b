import { and, type Column, gte, isNotNull, lt, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { isOfKind } from "../drizzle/expressions.ts";

/** After every text with the same beginning, byte by byte. */
const LAST_CHARACTER = "\u{10FFFF}";

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

/** MySQL's lower() changes all letters. */
function toPattern(text: string): string {
  return text.replaceAll(/[a-zA-Z]|[^\w\s\u0080-\u{10ffff}]/gu, (character) =>
    /[a-zA-Z]/.test(character) ? `[${character.toLowerCase()}${character.toUpperCase()}]` : `\\${character}`,
  );
}
