import { toMysqlText, toPostgresText, toSqliteText, toSqliteTokenizer } from "../../search/words.ts";
import type { IndexModel, TableModel } from "./table-model.ts";
import { createWords } from "./words.ts";

const { quote } = createWords("`");
const { quote: quoteOnPostgres } = createWords('"');
const TRIGGERS = ["insert", "update", "delete"] as const;

export interface SqliteSearch {
  readonly table: TableModel;
  readonly index: IndexModel;
  /** Whether there may be rows already. */
  readonly hasRows: boolean;
}

/** Writes a search index of SQLite's: a table of FTS5, which keeps no text, and the triggers that keep it up to date. */
export function createSqliteSearch(name: string, { table, index, hasRows }: SqliteSearch): string[] {
  const [key = "rowid"] = table.primaryKey;
  const textOf = (row: string): string =>
    toSqliteText(index.columns.map((column) => `${row}${quote(column)}`));
  const into = `INTO ${quote(name)}(rowid, words)`;
  // Whatever was there by this key: SQLite runs no trigger for a row that another one replaces.
  const add = `INSERT OR REPLACE ${into} VALUES (new.${quote(key)}, ${textOf("new.")});`;
  const remove = `DELETE FROM ${quote(name)} WHERE rowid = old.${quote(key)};`;
  const columns = [key, ...index.columns].map(quote).join(", ");
  const toTrigger = (verb: (typeof TRIGGERS)[number], event: string, body: string): string =>
    `CREATE TRIGGER ${quote(`${name}_${verb}`)} AFTER ${event} ON ${quote(table.name)} BEGIN ${body} END`;
  return [
    `CREATE VIRTUAL TABLE ${quote(name)} USING fts5(words, content='', contentless_delete=1, detail=none, tokenize="${toSqliteTokenizer()}")`,
    ...(hasRows ? [`INSERT ${into} SELECT ${quote(key)}, ${textOf("")} FROM ${quote(table.name)}`] : []),
    toTrigger("insert", "INSERT", add),
    toTrigger("update", `UPDATE OF ${columns}`, `${remove} ${add}`),
    toTrigger("delete", "DELETE", remove),
  ];
}

/** Writes that a search index of SQLite's goes, whether or not its table is there. */
export function dropSqliteSearch(name: string): string[] {
  return [
    ...TRIGGERS.map((verb) => `DROP TRIGGER IF EXISTS ${quote(`${name}_${verb}`)}`),
    `DROP TABLE ${quote(name)}`,
  ];
}

/** Writes a search index of PostgreSQL's: an inverted one over the words. */
export function createPostgresSearch(name: string, table: string, columns: readonly string[]): string {
  const text = toPostgresText(columns.map(quoteOnPostgres));
  return `CREATE INDEX ${quoteOnPostgres(name)} ON ${quoteOnPostgres(table)} USING gin (${text})`;
}

/** Writes the column that a search index of MySQL's is over. Its collation takes letters for the same that are to be found as such. */
export function toMysqlSearchColumn(name: string, columns: readonly string[]): string {
  return `${quote(name)} longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci GENERATED ALWAYS AS (${toMysqlText(columns.map(quote))}) STORED INVISIBLE`;
}
