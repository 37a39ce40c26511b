import { type SQL, sql } from "drizzle-orm";
import type { Dialect } from "../contract/dialect.ts";
import type { ColumnKind } from "./column-kind.ts";

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
  // MySQL takes defaults of these only as expressions.
  const isExpression = dialect === "mysql" && (kind.type === "text" || kind.type === "json");
  return sql.raw(isExpression ? `(${literal})` : literal);
}

/** A string as SQL writes it. */
export function toStringLiteral(value: string, dialect: Dialect): string {
  const text = dialect === "mysql" ? value.replaceAll("\\", "\\\\") : value;
  return `'${text.replaceAll("'", "''")}'`;
}

function toLiteral(value: string | number | boolean | null, dialect: Dialect): string {
  if (typeof value === "string") return toStringLiteral(value, dialect);
  if (typeof value === "boolean" && dialect === "sqlite") return value ? "1" : "0";
  return String(value);
}
