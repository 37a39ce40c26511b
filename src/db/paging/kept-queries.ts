import { and, sql, type SQL, type Table } from "drizzle-orm";
import type { RawRows } from "../drizzle/row-mapper.ts";
import {
  type PageParts,
  plainTableOf,
  type PreparedSelect,
  type Select,
  toCountQuery,
  toPageQuery,
} from "../drizzle/select-parts.ts";
import { isFault } from "../contract/database-error.ts";
import { noCursor } from "./cursors.ts";
import { isNameList, type PageOrder, type SortNames, toPageOrder } from "./page-order.ts";
import { KeptTotals } from "./kept-totals.ts";

/** Which rows of a select are read, and in which order. */
export interface PageCut {
  readonly sort: string;
  readonly names: SortNames | undefined;
  readonly perPage: number;
  readonly page: number;
  /** The cursor that they come after, in place of the number of a page. */
  readonly after: string | undefined;
}

/** The rows of a page. */
export interface PageRows<Row> {
  readonly rows: RawRows<Row>;
  readonly page: number;
  /** The cursor of what may come after them. */
  readonly next: string | undefined;
}

/** A condition as the database is given it. */
export interface Condition {
  /** "" for every row. */
  readonly sql: string;
  readonly params: unknown[];
}

/** What is asked of one table again and again. */
interface Kept {
  readonly orders: Map<string, PageOrder>;
  /** By the text of their condition among others; null for one whose parameters stand elsewhere. */
  readonly pages: Map<string, PreparedSelect | null>;
  readonly counts: Map<string, PreparedSelect<{ total: number }> | null>;
  readonly totals: KeptTotals;
}

/** Of a table: clients choose what they sort by, and how much they want. */
const MAX_KEPT = 200;
const OFFSET = sql.placeholder("offset");
const EVERY_ROW: Condition = { sql: "", params: [] };

/** By the session that they run in, and the table. */
const keptOf = new WeakMap<object, WeakMap<Table, Kept>>();

/**
 * Reads the rows of a page.
 *
 * @throws AppError `validation_error` for a name to sort by that isn't offered, and for a cursor of another list
 */
export async function readPage<Row>(select: Select, cut: PageCut): Promise<PageRows<Row>> {
  const { sort, names, perPage, after } = cut;
  const key = toKey(sort, names);
  const kept = key === null ? null : keptFor(select);
  const make = (): PageOrder => toPageOrder(select, sort, names);
  const order = kept === null || key === null ? make() : keep(kept.orders, key, make);
  const { orderBy, cursors } = order;
  const parts = { orderBy, limit: perPage, ...(cursors === null ? {} : { hidden: cursors.hidden }) };
  if (after === undefined) {
    const offset = (cut.page - 1) * perPage;
    const rows = await readRows<Row>(select, { ...parts, offset }, { kept, key });
    return withNext(rows, { page: cut.page, perPage, order });
  }
  if (cursors === null) throw noCursor("This order has none: sort by a name");
  const { page, where } = cursors.read(after);
  const rows = await readRows<Row>(select, { ...parts, offset: 0, where }, { kept, key }).catch(refuseValue);
  return withNext(rows, { page, perPage, order });
}

/** Runs the query of a page: of one table, by the query that was kept for conditions which read the same. */
function readRows<Row>(
  select: Select,
  parts: PageParts & { readonly offset: number },
  { kept, key }: { readonly kept: Kept | null; readonly key: string | null },
): Promise<RawRows<Row>> {
  const condition = kept === null ? null : toCondition(select, parts.where);
  const query =
    kept === null || condition === null
      ? null
      : keep(kept.pages, `${parts.limit}\0${key}\0${condition.sql}`, () =>
          prepareFor(condition, [OFFSET], toPageQuery(select, { ...parts, offset: OFFSET }).prepare("")),
        );
  if (query === null || condition === null) return toPageQuery<Row>(select, parts).prepare("").raw();
  return (query as PreparedSelect<Row>).raw([...condition.params, parts.offset]);
}

function withNext<Row>(
  rows: RawRows<Row>,
  { page, perPage, order }: { page: number; perPage: number; order: PageOrder },
): PageRows<Row> {
  const next = rows.length < perPage ? undefined : order.cursors?.write(rows.last, page + 1);
  return { rows, page, next };
}

/** What only the database could see: a cursor's value isn't of the type of an expression. */
function refuseValue(error: unknown): never {
  if (isFault(error, "value") || isFault(error, "parameter")) throw noCursor();
  throw error;
}

/** Counts the rows of a select. */
export async function countRows(select: Select): Promise<number> {
  const kept = keptFor(select);
  const condition = kept === null ? null : toCondition(select);
  const prepare = () => toCountQuery(select).prepare("");
  if (kept === null || condition === null) return readTotal(await prepare().raw());
  // Asked before the rows are counted: what is committed meanwhile makes it another one.
  const token = select.builder.session.changeToken?.() ?? null;
  const known = token === null ? undefined : kept.totals.find(token, condition);
  if (known !== undefined) return known;
  const query = keep(kept.counts, condition.sql, () => prepareFor(condition, [], prepare()));
  const total = readTotal(await (query === null ? prepare().raw() : query.raw(condition.params)));
  if (token !== null) kept.totals.note(token, condition, total);
  return total;
}

function readTotal(rows: RawRows<{ total: number }>): number {
  return rows.toRows()[0]?.total ?? 0;
}

/** What the order of a table depends on; null where expressions of the caller's own are among it. */
function toKey(sort: string, names: SortNames | undefined): string | null {
  if (names === undefined) return `any ${sort}`;
  // Clients write `sort`: no text of theirs may be the key of what is offered elsewhere.
  return isNameList(names) ? JSON.stringify([sort, names]) : null;
}

/** The condition of a select with one more; null where it has parameters that aren't plain values. */
function toCondition({ config, builder: { dialect } }: Select, where?: SQL): Condition | null {
  const all = where === undefined ? config.where : and(config.where, where);
  if (all === undefined) return EVERY_ROW;
  const { sql: text, params } = dialect.sqlToQuery(all);
  return params.every(isPlain) ? { sql: text, params } : null;
}

function isPlain(parameter: unknown): boolean {
  return typeof parameter !== "object" || parameter === null;
}

/** Returns a query that can be run with the values of another condition of that text; null where it has more of them. */
function prepareFor<Query extends PreparedSelect>(
  { params }: Condition,
  others: readonly unknown[],
  query: Query,
): Query | null {
  const expected = [...params, ...others];
  const found = query.getQuery().params;
  const isSame = (parameter: unknown, index: number): boolean => Object.is(parameter, expected[index]);
  return found.length === expected.length && found.every(isSame) ? query : null;
}

/** Null for what isn't kept: what selects anything but all columns of one table. */
function keptFor(select: Select): Kept | null {
  const table = plainTableOf(select);
  if (table === null) return null;
  const { session } = select.builder;
  const tables = keptOf.get(session) ?? new WeakMap<Table, Kept>();
  const known = tables.get(table);
  if (known !== undefined) return known;
  const kept: Kept = { orders: new Map(), pages: new Map(), counts: new Map(), totals: new KeptTotals() };
  keptOf.set(session, tables.set(table, kept));
  return kept;
}

function keep<T>(kept: Map<string, T>, key: string, make: () => T): T {
  const found = kept.get(key);
  if (found !== undefined) return found;
  const made = make();
  if (kept.size >= MAX_KEPT) kept.clear();
  kept.set(key, made);
  return made;
}
