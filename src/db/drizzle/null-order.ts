import { Column, is, SQL, sql, StringChunk, Table } from "drizzle-orm";
import { type Direction, type Expression, isExpression, tableOf, toOperand } from "./expressions.ts";
import type { SelectJoin } from "./select-parts.ts";

/** The parts of a select that its order depends on. */
interface Ordered {
  readonly table: unknown;
  readonly joins?: readonly SelectJoin[] | undefined;
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
}

/** How a database writes a term of a column or an expression. */
export interface TermParts {
  readonly field: Expression;
  readonly direction: Direction;
  /** Whether rows may be without a value. */
  readonly isNullable: boolean;
  /** What stands for the field inside of an expression. */
  readonly operand: Expression;
}

/** Writes a term so that rows without a value come last, and first downwards; null where it does so as it is. */
export type WriteTerm = (parts: TermParts) => SQL | null;

/** MySQL has no words for it. */
export const writeTermForMysql: WriteTerm = ({ field, direction, isNullable, operand }) => {
  const way = sql.raw(direction);
  return isNullable ? sql`${operand} is null ${way}, ${field} ${way}` : null;
};

/**
 * Brings the order of a select, as columns, `asc()` and `desc()` say it, to PostgreSQL's own: rows without a value come
 * last, and first downwards. Terms in SQL of the caller's own stay as they are.
 *
 * @returns the given list where nothing changes
 */
export function orderNulls<Terms extends readonly unknown[]>(
  terms: Terms,
  config: Ordered,
  write: WriteTerm,
): Terms {
  let ordered: unknown[] | null = null;
  for (let position = 0; position < terms.length; position += 1) {
    const parsed = parseTerm(terms[position]);
    if (parsed === null) continue;
    const { field, direction } = parsed;
    const isNullable = canBeNull(field, config);
    const written = write({ field, direction, isNullable, operand: findOperand(field, config) });
    if (written !== null) (ordered ??= [...terms])[position] = written;
  }
  return (ordered ?? terms) as Terms; // drizzle takes any SQL where it takes a column
}

/** Tells which fields may be NULL in the result: an outer join makes any column of its table so. */
export function canBeNull(field: Expression, { table, joins = [] }: Ordered): boolean {
  if (!is(field, Column) || !field.notNull || !is(table, Table)) return true;
  return joins.some(
    ({ joinType, alias }) =>
      joinType === "right" || joinType === "full" || (joinType === "left" && alias === tableOf(field)),
  );
}

/** In MySQL an alias of `count(*)` can't be part of an expression; drizzle gives it as if it were a subquery's. */
function findOperand(field: Expression, { fields = {} }: Ordered): Expression {
  // A column first: drizzle's is() takes long to say no.
  if (is(field, Column) || !is(field, SQL.Aliased)) return field;
  const own = Object.values(fields).find(
    (one): one is SQL.Aliased => is(one, SQL.Aliased) && one.fieldAlias === field.fieldAlias,
  );
  return toOperand(own ?? field);
}

/** Null for SQL that says its order in words of its own. */
export function parseTerm(term: unknown): { field: Expression; direction: Direction } | null {
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
