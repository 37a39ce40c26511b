import { MAX_PER_PAGE, type PageQuery } from "./page-query.ts";
import type { Page } from "./unread-page.ts";

/**
 * Reads a list to its end, page by page, however long it is.
 *
 * @param read gives the page that is asked for, of a list whose order has cursors
 * @throws TypeError where it hasn't
 */
export async function readAllPages<Row>(read: (query: PageQuery) => Promise<Page<Row>>): Promise<Row[]> {
  const rows: Row[] = [];
  for (let query: PageQuery = {}; ;) {
    // oxlint-disable-next-line no-await-in-loop -- one page after another
    const { items, next } = await read({ ...query, per_page: MAX_PER_PAGE, total: false });
    rows.push(...items);
    if (items.length < MAX_PER_PAGE) return rows;
    if (next === undefined) throw new TypeError("Cannot read all pages: their order has no cursors");
    query = { after: next };
  }
}
