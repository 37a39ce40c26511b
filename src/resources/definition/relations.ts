import { type Column, getTableName, type Table } from "drizzle-orm";
import { targetOf } from "../../db/schema/column-kind.ts";

/** Rows of another table that belong to a row. */
export interface Relation {
  readonly name: string;
  /** The column here. */
  readonly from: Column;
  /** The column there that has the same value. */
  readonly to: Column;
  readonly table: Table;
  readonly isMany: boolean;
}

/** The columns of a table that refer to others, each with the column there. */
export function referencesOf(columns: Iterable<Column>): Map<Column, Column> {
  const references = new Map<Column, Column>();
  for (const from of columns) {
    const to = targetOf(from);
    if (to !== null) references.set(from, to);
  }
  return references;
}

/** The relations of a table: by each column `company_id` that refers to another table, one row `company`. */
export function relationsOf(columns: Iterable<Column>): Map<string, Relation> {
  const relations = new Map<string, Relation>();
  for (const [from, to] of referencesOf(columns)) {
    const name = from.name.replace(/_id$/, "");
    relations.set(name, { name, from, to, table: to.table, isMany: false });
  }
  return relations;
}

/**
 * The relation to those rows of another table that refer to a row by one of their columns.
 *
 * @throws TypeError for a column that doesn't refer to the table
 */
export function toManyRelation(name: string, to: Column, table: Table): Relation {
  const from = targetOf(to);
  if (from === null || getTableName(from.table) !== getTableName(table)) {
    const column = `"${getTableName(to.table)}"."${to.name}"`;
    throw new TypeError(`Cannot relate "${name}": ${column} doesn't refer to "${getTableName(table)}"`);
  }
  return { name, from, to, table: to.table, isMany: true };
}
