import { toSelect } from "../drizzle/select-parts.ts";
import { readPage } from "./kept-queries.ts";
import type { SortNames } from "./page-order.ts";
import type { SelectQuery } from "./paginate.ts";

interface PiecesOptions {
  /** What a client sorts by: names, those that run downwards with "-". */
  readonly sort: string;
  /** What they may sort by. */
  readonly names: SortNames;
  /** Rows of a piece. */
  readonly size: number;
}

/**
 * Reads the rows of a query piece by piece, as JSON has their values, in constant memory and however long it takes whoever
 * reads: nothing is held between two pieces, which are of different moments. No row comes twice, and none that stays is left out.
 *
 * @throws AppError validation_error with the first piece, for a name to sort by that isn't offered
 */
export async function* readInPieces(
  query: SelectQuery<unknown>,
  { sort, names, size: perPage }: PiecesOptions,
): AsyncGenerator<object[], void, undefined> {
  const select = toSelect(query);
  let after: string | undefined;
  for (let page = 1; ; page += 1) {
    // Values that are too long for a cursor leave nothing but to count the rows before.
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { rows, next } = await readPage(select, { sort, names, perPage, page, after });
    if (rows.length > 0) yield rows.toJson();
    if (rows.length < perPage) return;
    after = next;
  }
}
