import { type AnyColumn, Column, entityKind, getTableName, is, SQL, StringChunk } from "drizzle-orm";

/** A column or an expression that can be selected and sorted by. */
export type Expression = AnyColumn | SQL | SQL.Aliased;

export type Direction = "asc" | "desc";

/** Whether a value is of a class of drizzle's, by the name that it has there: dialects in use alone are loaded. */
export function isOfKind(value: unknown, kind: string): boolean {
  if (typeof value !== "object" || value === null) return false;
  for (
    let type: unknown = value.constructor;
    typeof type === "function";
    type = Object.getPrototypeOf(type)
  ) {
    if (Reflect.get(type, entityKind) === kind) return true;
  }
  return false;
}

/** Whether a value is a column, or an expression of SQL. */
export function isExpression(value: unknown): value is Expression {
  return is(value, Column) || is(value, SQL) || is(value, SQL.Aliased);
}

/** Returns what stands for an expression in a query that doesn't select it under its alias. */
export function toOperand(field: Expression): AnyColumn | SQL | SQL.Aliased {
  const isAlias = is(field, SQL.Aliased) && !isOfSubquery(field);
  return isAlias ? field.sql : field;
}

/** Names a column together with its table or alias, so that two can be compared: aliases make them anew. */
export function identify(column: AnyColumn): string {
  return JSON.stringify([tableOf(column), column.name]);
}

/** The name, or the alias, of a column's table. */
export function tableOf(column: AnyColumn): string {
  return getTableName(column.table);
}

/** Which way a term of an ORDER BY sorts. */
export function directionOf(term: Expression | undefined): Direction {
  return is(term, SQL) && textOf(term.queryChunks.at(-1)) === " desc" ? "desc" : "asc";
}

/** The column that a field, or a term such as `desc(column)`, is; none for any other expression. */
export function columnOf(field: Expression): AnyColumn[] {
  if (is(field, Column)) return [field];
  if (!is(field, SQL)) return [];
  const [before, column, after, ...rest] = field.queryChunks;
  const isTerm = textOf(before) === "" && rest.length === 0;
  const isDirected = / (asc|desc)$/.test(textOf(after) ?? "");
  return isTerm && isDirected && is(column, Column) ? [column] : [];
}

/** The two columns that a condition such as `eq(articles.author_id, users.id)` compares; null for any other. */
export function comparedBy(condition: SQL): readonly [AnyColumn, AnyColumn] | null {
  const [left, operator, right, ...rest] = condition.queryChunks.filter((chunk) => textOf(chunk) !== "");
  const isEquality = textOf(operator) === " = " && rest.length === 0;
  return isEquality && is(left, Column) && is(right, Column) ? [left, right] : null;
}

/** Whether an alias belongs to a subquery that is selected from. */
export function isOfSubquery(field: SQL.Aliased): boolean {
  return (field as unknown as { isSelectionField: boolean }).isSelectionField;
}

/** The text of a part of SQL that is nothing else. */
function textOf(chunk: unknown): string | null {
  return is(chunk, StringChunk) ? chunk.value.join("") : null;
}
