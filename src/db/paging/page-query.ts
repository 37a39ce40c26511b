import { t, type TSchema } from "elysia";

/** Rows that a page may hold at most. */
export const MAX_PER_PAGE = 100;
/** Pages up to this one have an offset that is a safe integer. */
export const MAX_PAGE = 1_000_000_000_000;

/** Characters of a cursor at most: with the rest of a request line, they are less than servers and proxies take. */
export const MAX_CURSOR_LENGTH = 4000;

/** Marks the schema of a list's query: what it doesn't name is refused there, for `?filter=` would answer with all rows. */
export const LIST_QUERY = Symbol.for("xcore/list-query");

/** Which part of a list is asked for: a route's query, or values of your own. */
export interface PageQuery {
  /** From 1. @default 1 */
  readonly page?: number;
  /** Rows of a page, at most 100. @default 20 */
  readonly per_page?: number;
  /** Names to sort by, separated by commas; "-" before a name sorts it downwards. */
  readonly sort?: string;
  /** Whether to count all rows. @default true */
  readonly total?: boolean;
  /** Goes on where a page with the same `sort` ended: its `next`. */
  readonly after?: string;
}

/**
 * The query schema of a list: `?page=1&per_page=20&sort=-created_at,name&total=false`, `?after=…`.
 *
 * @example .get("/", ({ query }) => paginate(db.select().from(articles), query), { query: page })
 * @example t.Object({ ...page.properties, q: t.Optional(t.String()) })
 */
export const page = t.Object({
  page: t.Optional(
    t.Integer({
      minimum: 1,
      maximum: MAX_PAGE,
      default: 1,
      description: "Which page, from 1",
      [LIST_QUERY]: true,
    }),
  ),
  per_page: t.Optional(
    t.Integer({
      minimum: 1,
      maximum: MAX_PER_PAGE,
      default: 20,
      description: "Rows of a page",
    }),
  ),
  sort: t.Optional(
    t.String({
      maxLength: 500,
      description: 'Names to sort by, such as "-created_at,name": "-" sorts downwards',
    }),
  ),
  total: t.Optional(
    t.Boolean({
      default: true,
      description: "Whether to count all rows; without it `total` is null and the answer comes faster",
    }),
  ),
  after: t.Optional(
    t.String({
      minLength: 1,
      maxLength: MAX_CURSOR_LENGTH,
      description: "Goes on where a page with the same `sort` ended: its `next`, in place of `page`",
    }),
  ),
});

/** The schema of a page of these, with a total that may not have been counted. */
export function listOf<Item extends TSchema>(item: Item) {
  return t.Object({
    items: t.Array(item),
    page: t.Integer(),
    per_page: t.Integer(),
    total: t.Nullable(t.Integer()),
    next: t.Optional(t.String({ description: "The `after` of the next page, where there may be one" })),
  });
}
