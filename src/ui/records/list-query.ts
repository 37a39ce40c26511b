import type { SavedView } from "../../resources/saved-views/views.ts";
import type { Query } from "../shell/api.ts";
import { type Column, type Records } from "./records.ts";

/** Columns that a page shows, by commas: it goes to no API. */
export const COLUMNS = "_columns";
/** Whether the fields to narrow a list down with are shown. */
export const FILTERS = "_filters";
/** Whether the list goes on as it is scrolled: "endless". */
export const MODE = "_mode";
/** The view that was opened, by its id. */
export const VIEW = "_view";
/** Of pages alone. */
const OWN = new Set([COLUMNS, FILTERS, MODE, VIEW]);
/** Of a page: changing what is looked for begins with the first. */
const PLACE = ["page", "after"];
export const PER_PAGE = 25;
const MAX_COLUMNS = 8; // that are shown where nobody has chosen
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const LONG = new Set(["json", "text"]);

/** What a page of rows is asked for by: the address of the list, read and changed. */
export class ListQuery {
  readonly #records: Records;
  readonly params: URLSearchParams;

  constructor(records: Records, search: string | URLSearchParams) {
    this.#records = records;
    this.params = new URLSearchParams();
    // Fields of a form that nobody has filled in.
    for (const [name, value] of new URLSearchParams(search)) {
      if (value !== "" && name !== "csrf_token") this.params.append(name, value);
    }
  }

  /** The columns to show, in order. */
  get columns(): readonly Column[] {
    const { about } = this.#records;
    const chosen = this.params
      .getAll(COLUMNS)
      .flatMap((names) => names.split(","))
      .flatMap((name) => this.#records.column(name) ?? []);
    if (chosen.length > 0) return [...new Set(chosen)];
    if (about.list !== null) return about.list.flatMap((name) => this.#records.column(name) ?? []);
    const others = about.columns.filter(
      ({ name, kind }) => name !== about.title && name !== about.key && !LONG.has(kind),
    );
    const first = this.#records.column(about.title ?? about.key);
    return [...(first === null ? [] : [first]), ...others].slice(0, MAX_COLUMNS);
  }

  /** Whether more rows come as it is scrolled. */
  get isEndless(): boolean {
    return this.params.get(MODE) === "endless";
  }

  /** What a view keeps of it. */
  get saved(): Pick<SavedView, "columns" | "query" | "mode"> {
    const query: Record<string, string | string[]> = {};
    for (const name of new Set(this.params.keys())) {
      if (OWN.has(name) || PLACE.includes(name) || name === "total") continue;
      const values = this.params.getAll(name);
      query[name] = values.length === 1 ? (values[0] ?? "") : values;
    }
    const columns = this.params.has(COLUMNS) ? this.columns.map(({ name }) => name) : null;
    return { columns, query, mode: this.isEndless ? "endless" : "paged" };
  }

  /** Whether deleted rows are looked at. */
  get isOfDeleted(): boolean {
    return this.params.get("deleted") === "only";
  }

  /** What the API is asked for: a page, with the rows that its columns refer to. */
  toList(): Query {
    const { about } = this.#records;
    const expand = this.columns.flatMap(({ name }) => this.#records.relationOf(name) ?? []);
    const names = this.columns.map(({ name }) => name);
    const fields = new Set([about.key, ...(about.title === null ? [] : [about.title]), ...names]);
    return {
      per_page: PER_PAGE,
      // The first page has said how many there are.
      ...(this.isEndless && this.params.has("after") && { total: false }),
      ...this.toWanted(),
      fields: [...fields].join(","),
      ...(expand.length > 0 && { expand: expand.join(",") }),
    };
  }

  /** What says which rows, as the API takes it. */
  toWanted(): Record<string, string[]> {
    const names = [...new Set(this.params.keys())].filter((name) => !OWN.has(name));
    const valuesOf = (name: string) => this.params.getAll(name).map((value) => this.#toGiven(name, value));
    return Object.fromEntries(names.map((name) => [name, valuesOf(name)]));
  }

  /** What a file of all of these rows is asked for by; of columns, those that were chosen. */
  toExport(): Query {
    const wanted = this.toWanted();
    for (const name of [...PLACE, "per_page", "total"]) delete wanted[name];
    const isChosen = this.params.has(COLUMNS);
    return { ...wanted, ...(isChosen && { fields: this.columns.map(({ name }) => name).join(",") }) };
  }

  /** What is the page's own, and goes to no API: which columns are shown. */
  get own(): Record<string, string> {
    const chosen = this.params.getAll(COLUMNS).join(",");
    return {
      ...(chosen !== "" && { [COLUMNS]: chosen }),
      ...(this.isOfDeleted && { deleted: "only" }),
    };
  }

  /** The same list with other values; null takes one away. */
  with(changed: Readonly<Record<string, string | null>>): string {
    const params = new URLSearchParams(this.params);
    for (const name of PLACE) params.delete(name);
    for (const [name, value] of Object.entries(changed)) {
      if (value === null) params.delete(name);
      else params.set(name, value);
    }
    return toAddress(this.#records.path, params);
  }

  /** The rows that come behind a place in it. */
  after(cursor: string): string {
    const params = new URLSearchParams(this.params);
    params.delete("page");
    params.set("after", cursor);
    return toAddress(this.#records.path, params);
  }

  /** The same list without one value of a parameter. */
  without(name: string, value: string): string {
    const params = new URLSearchParams(this.params);
    for (const one of PLACE) params.delete(one);
    params.delete(name, value);
    return toAddress(this.#records.path, params);
  }

  /** What a form of the list has to send along, for it fills these in itself. */
  kept(filled: ReadonlySet<string>): { name: string; value: string }[] {
    return [...this.params]
      .filter(([name]) => !filled.has(name) && !PLACE.includes(name))
      .map(([name, value]) => ({ name, value }));
  }

  /** A day up to which moments are looked for is over at its end. */
  #toGiven(name: string, value: string): string {
    const [column = "", operator] = name.split(".");
    const isMoment = this.#records.column(column)?.kind === "timestamp";
    return isMoment && operator === "lte" && DAY.test(value) ? `${value}T23:59:59.999Z` : value;
  }
}

export function toAddress(path: string, params: URLSearchParams): string {
  const search = params.toString();
  return search === "" ? path : `${path}?${search}`;
}
