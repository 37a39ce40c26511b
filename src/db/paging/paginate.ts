import { MAX_PAGE, MAX_PER_PAGE, type PageQuery } from "./page-query.ts";
import type { SortNames } from "./page-order.ts";
import { toSelect } from "../drizzle/select-parts.ts";
import { countRows, readPage } from "./kept-queries.ts";
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
}

/**
 * Runs a query for one page, and counts the rows of all pages.
 *
 * The rows are in the order that `sort` asks for, else in the query's own, and in the order of the primary key
 * where that leaves it open: pages never overlap. Rows without a value come last, and first when sorting
 * downwards, on every database; indexes serve this everywhere but for nullable columns on MySQL. A page far
 * down costs more than the first one, since the database steps over all rows before it; without the total, the
 * first pages cost the same however long the list is.
 *
 * @param query such as `db.select().from(articles).where(…)`, without `limit` and `offset`
 * @param page what the client asks for, checked by the `page` schema
 * @throws AppError `validation_error` for a name in `sort` that isn't offered
 * @throws RangeError for a page that the `page` schema would refuse
 */
export async function paginate<Row>(
  query: SelectQuery<Row>,
  { page = 1, per_page = 20, sort = "", total: isCounted = true }: PageQuery,
  options: PaginateOptions = {},
): Promise<Page<Row>> {
  assertRange("page", page, MAX_PAGE);
  assertRange("per_page", per_page, MAX_PER_PAGE);
  const select = toSelect(query);
  const offset = (page - 1) * per_page;
  const rows = await readPage<Row>(select, { sort, names: options.sort, limit: per_page, offset });
  // A page that isn't full is the last one: its rows tell the total.
  const isLast = rows.length < per_page && (rows.length > 0 || page === 1);
  const total = isLast ? offset + rows.length : isCounted ? await countRows(select) : null;
  return createPage(rows, { page, per_page, total: isCounted ? total : null });
}

function assertRange(name: string, value: number, maximum: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= maximum) return;
  throw new RangeError(`Cannot use ${name} "${value}": expected an integer from 1 to ${maximum}`);
}
