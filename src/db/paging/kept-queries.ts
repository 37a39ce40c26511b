import { sql, type Table } from "drizzle-orm";
import type { RawRows } from "../drizzle/row-mapper.ts";
import {
  type PreparedSelect,
  type Select,
  toCountQuery,
  toPageQuery,
  toPlainSelect,
} from "../drizzle/select-parts.ts";
import { isFault } from "../contract/database-error.ts";
import { noCursor } from "./cursors.ts";
import { isNameList, type PageOrder, type SortNames, toPageOrder } from "./page-order.ts";

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

/** What is asked of one table again and again. */
interface Kept {
  readonly orders: Map<string, PageOrder>;
  readonly pages: Map<string, PreparedSelect>;
  count: PreparedSelect<{ total: number }> | null;
}

/** Of a table: clients choose what they sort by, and how much they want. */
const MAX_KEPT = 200;
const OFFSET = sql.placeholder("offset");

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
  const plain = key === null ? null : toPlainSelect(select);
  const kept = plain === null ? null : keptFor(select, plain.table);
  const make = (): PageOrder => toPageOrder(select, sort, names);
  const order = kept === null || key === null ? make() : keep(kept.orders, key, make);
  const { orderBy, cursors } = order;
  if (after !== undefined) {
    if (cursors === null) throw noCursor("This order has none: sort by a name");
    const { page, where } = cursors.read(after);
    const parts = { orderBy, limit: perPage, offset: 0, hidden: cursors.hidden, where };
    const rows = await toPageQuery<Row>(select, parts).prepare("").raw().catch(refuseValue);
    return withNext(rows, { page, perPage, order });
  }
  const offset = (cut.page - 1) * perPage;
  const prepare = (given: number | typeof OFFSET): PreparedSelect<Row> =>
    toPageQuery<Row>(select, {
      orderBy,
      limit: perPage,
      offset: given,
      ...(cursors === null ? {} : { hidden: cursors.hidden }),
    }).prepare("");
  const rows =
    kept === null || plain?.isFiltered !== false
      ? await prepare(offset).raw()
      : await (keep(kept.pages, `${perPage}\0${key}`, () => prepare(OFFSET)) as PreparedSelect<Row>).raw({
          offset,
        });
  return withNext(rows, { page: cut.page, perPage, order });
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
  const plain = toPlainSelect(select);
  const kept = plain === null || plain.isFiltered ? null : keptFor(select, plain.table);
  const prepare = () => toCountQuery(select).prepare("");
  const query = kept === null ? prepare() : (kept.count ??= prepare());
  const [row] = (await query.raw()).toRows();
  return row?.total ?? 0;
}

/** What the order of a table depends on; null where expressions of the caller's own are among it. */
function toKey(sort: string, names: SortNames | undefined): string | null {
  if (names === undefined) return `any ${sort}`;
  // Clients write `sort`: no text of theirs may be the key of what is offered elsewhere.
  return isNameList(names) ? JSON.stringify([sort, names]) : null;
}

function keptFor({ builder: { session } }: Select, table: Table): Kept {
  const tables = keptOf.get(session) ?? new WeakMap<Table, Kept>();
  const kept = tables.get(table) ?? { orders: new Map(), pages: new Map(), count: null };
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
