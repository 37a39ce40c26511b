import { type SQL, sql, type Table } from "drizzle-orm";
import type { RawRows } from "../drizzle/row-mapper.ts";
import {
  type PreparedSelect,
  type Select,
  toCountQuery,
  toPageQuery,
  toPlainSelect,
} from "../drizzle/select-parts.ts";
import { isNameList, type SortNames, toOrder } from "./page-order.ts";

/** Which rows of a select are read, and in which order. */
export interface PageCut {
  readonly sort: string;
  readonly names: SortNames | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** What is asked of one table again and again. */
interface Kept {
  readonly orders: Map<string, SQL[]>;
  readonly pages: Map<string, PreparedSelect>;
  count: PreparedSelect<{ total: number }> | null;
}

/** Of a table: clients choose what they sort by, and how much they want. */
const MAX_KEPT = 200;
const OFFSET = sql.placeholder("offset");

/** By the session that they run in, and the table. */
const keptOf = new WeakMap<object, WeakMap<Table, Kept>>();

/** Reads the rows of a page. @throws AppError `validation_error` for a name to sort by that isn't offered */
export function readPage<Row>(select: Select, cut: PageCut): Promise<RawRows<Row>> {
  const { sort, names, limit, offset } = cut;
  const key = toKey(sort, names);
  const plain = key === null ? null : toPlainSelect(select);
  if (plain === null || key === null) {
    return read<Row>(select, { orderBy: toOrder(select, sort, names), limit, offset });
  }
  const { orders, pages } = keptFor(select, plain.table);
  const toOrderBy = (): SQL[] => keep(orders, key, () => toOrder(select, sort, names));
  if (plain.isFiltered) return read<Row>(select, { orderBy: toOrderBy(), limit, offset });
  const page = keep(pages, `${limit}\0${key}`, () =>
    toPageQuery(select, { orderBy: toOrderBy(), limit, offset: OFFSET }).prepare(""),
  );
  return (page as PreparedSelect<Row>).raw({ offset });
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

function read<Row>(select: Select, page: Parameters<typeof toPageQuery>[1]): Promise<RawRows<Row>> {
  return toPageQuery<Row>(select, page).prepare("").raw();
}

/** What the order of a table depends on; null where expressions of the caller's own are among it. */
function toKey(sort: string, names: SortNames | undefined): string | null {
  if (names === undefined) return sort;
  return isNameList(names) ? [sort, ...names].join("\0") : null;
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
