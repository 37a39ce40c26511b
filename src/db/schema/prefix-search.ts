import { and, gte, lt, type SQL, sql } from "drizzle-orm";
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
