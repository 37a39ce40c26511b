import { type Column, getTableColumns, type Table } from "drizzle-orm";
import { declarationOf, isSearchIndex, kindOf, SEARCH_INDEX, type SearchIndex } from "./column-kind.ts";

const TEXTS = new Set(["text", "varchar", "enum"]);

/** As it stands among the constraints of a table: drizzle passes over what it doesn't know. */
export class SearchIndexBuilder implements SearchIndex {
  readonly [SEARCH_INDEX] = true;
  readonly name: string;
  readonly columns: readonly string[];

  constructor(name: string, columns: readonly Column[]) {
    for (const column of columns) {
      if (TEXTS.has(declarationOf(column)?.kind.type ?? "")) continue;
      throw new TypeError(
        `Cannot search the column "${column.name}" by words: it is no text(), varchar() or enumOf()`,
      );
    }
    this.name = name;
    this.columns = columns.map((column) => column.name);
  }

  /** What tells a builder from what isn't one. */
  build(): SearchIndex {
    return this;
  }
}

/** Throws a TypeError unless every database can have the search indexes among the constraints of a table. */
export function assertSearchable(table: Table, name: string, constraints: readonly unknown[]): void {
  const [index, second] = constraints.filter(isSearchIndex);
  if (index === undefined) return;
  const shown = `Cannot declare the search index "${index.name}" of the table "${name}"`;
  if (second !== undefined)
    throw new TypeError(`${shown}: "${second.name}" is one already; name all columns in one`);
  if (index.name === name)
    throw new TypeError(`${shown}: it needs a name of its own, such as "${name}_search"`);
  if (index.name in getTableColumns(table)) throw new TypeError(`${shown}: a column has this name`);
  const key = Object.values<Column>(getTableColumns(table)).find(({ primary }) => primary);
  if (key !== undefined && kindOf(key).type === "id") return;
  throw new TypeError(`${shown}: SQLite finds its rows by id(), which isn't the table's primary key`);
}
