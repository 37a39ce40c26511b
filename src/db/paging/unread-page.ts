import type { RawRows } from "../drizzle/row-mapper.ts";

/** A part of a list. */
export interface Page<Row> {
  readonly items: Row[];
  readonly page: number;
  readonly per_page: number;
  /** Rows on all pages; null when they weren't counted. */
  readonly total: number | null;
  /** Goes on after these, as `?after=`: only where there may be more, and where the order has cursors. */
  readonly next?: string;
}

type Getter = () => unknown;

/** What a page was made with. */
interface Unread {
  readonly rows: RawRows;
  /** Another one in its place gives other rows. */
  readonly getItems: Getter | undefined;
}

/** Pages whose rows nobody has looked at, which are as the database gave them. */
const unread = new WeakMap<object, Unread>();

/** Of pages: on a terminal, rows are shown instead of a getter. */
const shownWithRows = Object.create(Object.prototype, {
  [Symbol.for("nodejs.util.inspect.custom")]: {
    value(this: object) {
      return { ...this };
    },
  },
}) as object;

/** Makes a page whose rows are made when they are first looked at: most pages are answered as they are. */
export function createPage<Row>(
  rows: RawRows<Row>,
  { page, per_page, total, next }: Omit<Page<Row>, "items">,
): Page<Row> {
  let items: Row[] = [];
  const made = {
    __proto__: shownWithRows,
    get items(): Row[] {
      if (unread.has(made)) made.items = rows.toRows();
      return items;
    },
    set items(given: Row[]) {
      items = given;
      unread.delete(made);
    },
    page,
    per_page,
    total,
    ...(next === undefined ? {} : { next }),
  };
  unread.set(made, { rows, getItems: getterOfItems(made) });
  return made;
}

/**
 * Returns an object of which JSON.stringify makes the text that it makes of a page, in less time; null for a page whose
 * rows somebody has looked at, who may have changed them, and for anything else.
 *
 * @throws DatabaseError for a value that its column can't have
 */
export function toJsonPage(value: object): object | null {
  const found = unread.get(value);
  if (found === undefined || "toJSON" in value || getterOfItems(value) !== found.getItems) return null;
  const page = value as Readonly<Record<string, unknown>>;
  const json: Record<string, unknown> = {};
  for (const name in page) json[name] = name === "items" ? found.rows.toJson() : page[name];
  return json;
}

function getterOfItems(page: object): Getter | undefined {
  const items: { readonly get?: Getter } | undefined = Object.getOwnPropertyDescriptor(page, "items");
  return items?.get;
}
