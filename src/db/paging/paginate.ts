import { MAX_PAGE, MAX_PER_PAGE, type PageQuery } from "./page-query.ts";
import type { SortNames } from "./page-order.ts";
import { toSelect } from "../drizzle/select-parts.ts";
import { countRows, readPage } from "./kept-queries.ts";
import { fail } from "../../errors/codes.ts";
import { createPage, type Page } from "./unread-page.ts";

export { listOf, page, type PageQuery } from "./page-query.ts";
export type { Page } from "./unread-page.ts";

/** A query of `db.select()` or `db.selectDistinct()` that hasn't been awaited. */
export interface SelectQuery<Row> extends PromiseLike<Row[]> {
  readonly _: { readonly selectedFields: unknown };
  toSQL(): { sql: string; params: unknown[] };
}

export interface PaginateOptions {
  /**
   * What clients may sort by: names of selected columns, or names of your own with the column or the
   * expression that each stands for. Names of columns in nested objects have dots: "author.name".
   *
   * @default every selected column, JSON and binary ones excepted
   */
  readonly sort?: SortNames;
  /**
   * Rows from the start of the list that pages may be asked for by number, since the database steps over all that come
   * before a page. Further down, `after` goes on. The first page is always given.
   *
   * @default 10,000
   */
  readonly maxDepth?: number;
}

const MAX_DEPTH = 10_000;

/**
 * Runs a query for one page, and counts the rows of all pages.
 *
 * The rows are in the order that `sort` asks for, else in the query's own, and in the order of the primary key
 * where that leaves it open: pages never overlap. Rows without a value come last, and first when sorting
 * downwards, on every database; indexes serve this everywhere but for nullable columns on MySQL. The `next` of a
 * page is a cursor: as `after`, it gives the rows that follow, whatever was inserted or deleted meanwhile, and costs
 * the same however far down they are where an index serves the order. Without the total, the first pages cost the
 * same however long the list is.
 *
 * @param query such as `db.select().from(articles).where(…)`, without `limit` and `offset`
 * @param page what the client asks for, checked by the `page` schema
 * @throws AppError `validation_error` for a name in `sort` that isn't offered, a page below `maxDepth`, and an `after`
 * that is no cursor of this list
 * @throws RangeError for a page that the `page` schema would refuse
 */
export async function paginate<Row>(
  query: SelectQuery<Row>,
  { page = 1, per_page = 20, sort = "", total: isCounted = true, after }: PageQuery,
  { sort: names, maxDepth = MAX_DEPTH }: PaginateOptions = {},
): Promise<Page<Row>> {
  assertRange("page", page, MAX_PAGE);
  assertRange("per_page", per_page, MAX_PER_PAGE);
  const select = toSelect(query);
  assertReachable({ page, perPage: per_page, maxDepth, after });
  const read = await readPage<Row>(select, { sort, names, perPage: per_page, page, after });
  const { rows, next } = read;
  // A page that isn't full is the last one: its rows tell the total.
  const isLast = after === undefined && rows.length < per_page && (rows.length > 0 || page === 1);
  const counted = isLast || !isCounted ? (page - 1) * per_page + rows.length : await countRows(select);
  const total = isCounted ? counted : null;
  return createPage(rows, { page: read.page, per_page, total, ...(next === undefined ? {} : { next }) });
}

interface Reach {
  readonly page: number;
  readonly perPage: number;
  readonly maxDepth: number;
  readonly after: string | undefined;
}

function assertReachable({ page, perPage, maxDepth, after }: Reach): void {
  if (!(maxDepth >= 1)) throw new RangeError(`Cannot use maxDepth "${maxDepth}": expected a number from 1`);
  if (page === 1) return;
  if (after !== undefined) {
    const message = 'Expected either "page" or "after"';
    throw fail("validation_error", 'Cannot read a page by "page" and "after": they say different ones', {
      errors: [{ path: "/query/page", code: "invalid", message }],
    });
  }
  if (page * perPage <= maxDepth) return;
  const message = `Expected one of the first ${maxDepth} rows; go on with "after", which is the "next" of a page`;
  throw fail("validation_error", `Cannot read page "${page}": it lies deeper than ${maxDepth} rows`, {
    errors: [{ path: "/query/page", code: "too_deep", message }],
  });
}

function assertRange(name: string, value: number, maximum: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= maximum) return;
  throw new RangeError(`Cannot use ${name} "${value}": expected an integer from 1 to ${maximum}`);
}
