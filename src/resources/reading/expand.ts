import { and, asc, type Column, getTableColumns, inArray, lte, type SQL, sql, type Table } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { Database } from "../../db/contract/database.ts";
import type { Access, View } from "../access/access.ts";
import type { Relation } from "../definition/relations.ts";
import type { Tree } from "./fields.ts";

export type Row = Record<string, unknown>;

/** Rows of a list. */
const MAX_MANY = 1000;
/** Rows of all the lists of a page together. */
const MAX_TOGETHER = 10_000;
const RANK = "xcore_rank";

/**
 * Puts the rows that belong to each row beside its fields, as far as there are any to whoever asks: one query for each
 * relation, however many rows there are, and a second one where lists are too long.
 */
export async function expandRows(
  rows: readonly Row[],
  tree: Tree,
  {
    access,
    db,
    view,
  }: { readonly access: Access; readonly db: Database; readonly view: Pick<View, "columns" | "relations"> },
): Promise<void> {
  for (const [name, inner] of tree) {
    const relation = view.relations.get(name);
    if (relation === undefined || !view.columns.has(relation.from.name)) continue;
    const target = access.viewOf(relation.table);
    // oxlint-disable-next-line no-await-in-loop -- one query after another
    const found = await readRelated(rows, relation, { target, db });
    // oxlint-disable-next-line no-await-in-loop
    await target.files?.show(found, target.columns);
    // oxlint-disable-next-line no-await-in-loop
    if (inner.size > 0) await expandRows(found, inner, { access, db, view: target });
    place(rows, relation, found, { target, kept: [...inner.keys()] });
  }
}

async function readRelated(
  rows: readonly Row[],
  { from, to, table, isMany }: Relation,
  { target, db }: { readonly target: View; readonly db: Database },
): Promise<Row[]> {
  if (isMany && !target.columns.has(to.name)) return [];
  const keys = [...new Set(rows.map((row) => row[from.name]))].filter(
    (key) => key !== null && key !== undefined,
  );
  if (keys.length === 0) return [];
  const query = db
    .select()
    .from(table as PgTable)
    .where(and(inArray(to, keys), target.rows));
  if (!isMany) return query;
  const found = await query.orderBy(...keysOf(table).map((key) => asc(key))).limit(MAX_MANY + 1);
  if (found.length <= MAX_MANY || keys.length === 1) return found.slice(0, MAX_MANY);
  return readLists(db, { to, table, condition: and(inArray(to, keys), target.rows) }, keys.length);
}

/** The first rows of each list, as many of one as of the others: long ones leave room for all. */
function readLists(
  db: Database,
  { to, table, condition }: Pick<Relation, "to" | "table"> & { readonly condition: SQL | undefined },
  lists: number,
): PromiseLike<Row[]> {
  const most = Math.min(MAX_MANY, Math.max(1, Math.floor(MAX_TOGETHER / lists)));
  const columns = getTableColumns(table) as Record<string, PgColumn>;
  const keys = keysOf(table);
  const order = sql.join(keys.length === 0 ? [sql`${to}`] : keys.map((key) => asc(key)), sql`, `);
  const rank = sql<number>`row_number() over (partition by ${to} order by ${order})`.as(RANK);
  const ranked = db
    .select({ ...columns, [RANK]: rank })
    .from(table as PgTable)
    .where(condition)
    .as("ranked");
  const fields = ranked as unknown as Record<string, PgColumn>;
  return db
    .select()
    .from(ranked)
    .where(lte(fields[RANK] as PgColumn, most))
    .orderBy(...keys.map(({ name }) => asc(fields[name] as PgColumn)));
}

function keysOf(table: Table): Column[] {
  return Object.values<Column>(getTableColumns(table)).filter(({ primary }) => primary);
}

/** Rows are shared by all that they belong to. */
function place(
  rows: readonly Row[],
  { name, from, to, isMany }: Relation,
  found: readonly Row[],
  { target, kept }: { readonly target: View; readonly kept: readonly string[] },
): void {
  const names = [...target.columns.keys(), ...kept];
  const shown = new Map<unknown, Row[]>();
  for (const row of found) {
    const key = row[to.name];
    const one = Object.fromEntries(names.map((field) => [field, row[field]]));
    const same = shown.get(key);
    if (same === undefined) shown.set(key, [one]);
    else same.push(one);
  }
  for (const row of rows) {
    const own = shown.get(row[from.name]);
    row[name] = isMany ? (own ?? []) : (own?.[0] ?? null);
  }
}
