import type { ConstraintError } from "../contract/database-error.ts";
import { explainReference, type ReferenceQueries, type ReferringKey } from "../server/references.ts";

type Query = ReferenceQueries["query"];

const columnsOf = (keys: string, table: string): string =>
  `(select string_agg(a.attname, ',' order by k.position) from unnest(${keys}) with ordinality k (number, position) join pg_attribute a on a.attrelid = ${table} and a.attnum = k.number)`;
const KEY = `select t.relname as target, ${columnsOf("c.conkey", "c.conrelid")} as columns, ${columnsOf("c.confkey", "c.confrelid")} as target_columns
from pg_constraint c join pg_class r on r.oid = c.conrelid join pg_class t on t.oid = c.confrelid
where c.contype = 'f' and c.conname = $1 and r.relname = $2 and pg_table_is_visible(r.oid)`;

/** Has the error of a foreign key say whose rows refer, and how many. Returns the same error. */
export function explainFault(error: unknown, query: Query): Promise<unknown> {
  return explainReference(error, { query, findKey: (refused) => findKey(refused, query), mark: '"' });
}

async function findKey({ table, key }: ConstraintError, query: Query): Promise<ReferringKey | null> {
  if (table === undefined || key === undefined) return null;
  const [row] = await query(KEY, [key, table]);
  if (row === undefined) return null;
  const [target, columns, targetColumns] = ["target", "columns", "target_columns"].map((name) =>
    String(row[name]),
  );
  if (target === undefined || columns === undefined || targetColumns === undefined) return null;
  return { table, target, columns: columns.split(","), targetColumns: targetColumns.split(",") };
}
