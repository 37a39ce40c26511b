import { Column, is, SQL, sql, StringChunk, Table } from "drizzle-orm";
import { type Direction, type Expression, isExpression, tableOf, toOperand } from "./expressions.ts";
import type { SelectJoin } from "./select-parts.ts";

/** The parts of a select that its order depends on. */
interface Ordered {
  readonly table: unknown;
  readonly joins?: readonly SelectJoin[] | undefined;
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Writes a term that may be NULL so that rows without a value come last, and first downwards.
 *
 * @param operand what stands for the field inside of an expression
 */
export type WriteNullable = (field: Expression, direction: Direction, operand: Expression) => SQL;

/** As SQLite says it; its indexes serve this order too. */
export const writeNullableForSqlite: WriteNullable = (field, direction) =>
  sql`${field} ${sql.raw(direction === "asc" ? "asc nulls last" : "desc nulls first")}`;

/** MySQL has no words for it. */
export const writeNullableForMysql: WriteNullable = (field, direction, operand) => {
  const way = sql.raw(direction);
  return sql`${operand} is null ${way}, ${field} ${way}`;
};

/**
 * Brings the order of a select, as columns, `asc()` and `desc()` say it, to PostgreSQL's own: rows without a value come
 * last, and first downwards. Terms in SQL of the caller's own stay as they are.
 *
 * @returns the given terms where nothing changes
 */
export function orderNulls<Term>(terms: readonly Term[], config: Ordered, write: WriteNullable): Term[] {
  const ordered = terms.map((term): unknown => {
    const parsed = parseTerm(term);
    if (parsed === null || !isNullable(parsed.field, config)) return term;
    return write(parsed.field, parsed.direction, findOperand(parsed.field, config));
  });
  return ordered as Term[]; // drizzle takes any SQL where it takes a column
}

/** Tells which fields may be NULL in the result: an outer join makes any column of its table so. */
export function isNullable(field: Expression, { table, joins = [] }: Ordered): boolean {
  if (!is(field, Column) || !field.notNull || !is(table, Table)) return true;
  return joins.some(
    ({ joinType, alias }) =>
      joinType === "right" || joinType === "full" || (joinType === "left" && alias === tableOf(field)),
  );
}

/** In MySQL an alias of `count(*)` can't be part of an expression; drizzle gives it as if it were a subquery's. */
function findOperand(field: Expression, { fields = {} }: Ordered): Expression {
  if (!is(field, SQL.Aliased)) return field;
  const own = Object.values(fields).find(
    (one): one is SQL.Aliased => is(one, SQL.Aliased) && one.fieldAlias === field.fieldAlias,
  );
  return toOperand(own ?? field);
}

/** Null for SQL that says its order in words of its own. */
function parseTerm(term: unknown): { field: Expression; direction: Direction } | null {
  if (!is(term, SQL)) return isExpression(term) ? { field: term, direction: "asc" } : null;
  const [before, field, after] = term.queryChunks;
  if (term.queryChunks.length !== 3 || !isText(before, "") || !isExpression(field)) return null;
  if (isText(after, " asc")) return { field, direction: "asc" };
  if (isText(after, " desc")) return { field, direction: "desc" };
  // `sql`${term}`.
  return isText(after, "") ? parseTerm(field) : null;
}

function isText(chunk: unknown, text: string): boolean {
  return is(chunk, StringChunk) && chunk.value.length === 1 && chunk.value[0] === text;
}
