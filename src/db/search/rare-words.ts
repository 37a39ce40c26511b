import { type Column, count, getTableColumns, inArray, type SQL, sql, type Table } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { Database } from "../contract/database.ts";
import { isOfKind } from "../drizzle/expressions.ts";
import { searchIndexOf } from "../schema/column-kind.ts";
import { fold, indexedParts } from "./letters.ts";
import { hasWord } from "./words.ts";

const SAMPLE = 64; // rows, spread over the whole table
/** Tables of fewer rows are searched at once, with an index or without. */
const SMALL = 1000;
/** The part of rows that may have a word for which an index is of use: MySQL makes a list of them all first. */
const RARE = { mysql: 0.05, others: 0.3 };

/**
 * Those of the words that the table's index should look for: few rows have them, as far as some rows tell. Others are found
 * sooner by reading the rows.
 */
export async function findRareWords(
  db: Database,
  table: Table,
  words: readonly string[],
): Promise<readonly string[]> {
  const index = searchIndexOf(table);
  const indexed = words.filter((word) => indexedParts(fold(word)).length > 0);
  const all = getTableColumns(table);
  const key = Object.values<Column>(all).find(({ primary }) => primary);
  if (index === null || key === undefined || indexed.length === 0) return [];
  const rows = table as PgTable;
  const [ends] = await db
    .select({
      first: sql`(select min(${key}) from ${table})`, // each by itself: SQLite would else read all rows
      last: sql`(select max(${key}) from ${table})`,
    })
    .from(rows)
    .limit(1);
  const first = Number(ends?.first ?? 0);
  const length = Number(ends?.last ?? 0) - first;
  if (length < SMALL) return indexed;
  const columns = Object.values<Column>(all).filter(({ name }) => index.columns.includes(name));
  const counts = indexed.map((word, at): [string, SQL] => [
    `has_${at}`,
    sql`sum(case when ${hasWord(columns, word)} then 1 else 0 end)`,
  ]);
  const places = Array.from({ length: SAMPLE }, (_, at) => first + Math.floor((length * at) / (SAMPLE - 1)));
  const [found] = await db
    .select({ ...Object.fromEntries(counts), rows: count() })
    .from(rows)
    .where(inArray(key, places));
  const sampled = found?.rows ?? 0;
  if (sampled < SAMPLE / 2) return indexed; // too few are left to tell
  const most = sampled * (isOfKind(table, "MySqlTable") ? RARE.mysql : RARE.others);
  return indexed.filter((_, at) => Number(Reflect.get(found ?? {}, `has_${at}`)) <= most);
}
