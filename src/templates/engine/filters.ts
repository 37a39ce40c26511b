import { escapeHTML } from "bun";
import nunjucks from "nunjucks/src/filters.js";
import {
  toBytesText,
  toDateText,
  toDateTimeText,
  toDurationText,
  toIsoTime,
  toNumberText,
} from "../languages/formats.ts";
import { TESTS } from "./tests.ts";
import { center, indent, replace, stripTags, truncate, wrapWords } from "./texts.ts";
import {
  areEqual,
  assertLength,
  formatText,
  isTrue,
  iterate,
  MAX_COUNT,
  NamedArguments,
  joinTexts,
  read,
  replaceTexts,
  SafeString,
  show,
  toText,
  unwrap,
} from "./values.ts";

/** A filter, with the names of what it takes behind the value; null: it takes named arguments as they come. */
export interface Filter {
  readonly run: (...args: never[]) => unknown;
  readonly parameters: readonly string[] | null;
  /** Whether it is told the language of the page, behind its parameters. @default false */
  readonly isByLocale?: boolean;
}

const SAFE_URL = /^(?:https?:|mailto:|tel:|\/(?!\/)|[#?])/i;

/** What an item of a list takes, in characters. */
const ITEM_LENGTH = 16;
/** Parameters that say how often something is done. */
const COUNTS = new Set(["linecount", "slices"]);

const KEEPING = new Set(["capitalize", "lower", "title", "trim", "upper"]);

/** Jinja2's filters, by name. */
export const FILTERS: Readonly<Record<string, Filter>> = {
  ...taken({
    abs: [],
    batch: ["linecount", "fill_with"],
    capitalize: [],
    dictsort: ["case_sensitive", "by"],
    first: [],
    float: ["default"],
    int: ["default", "base"],
    last: [],
    lower: [],
    random: [],
    reverse: [],
    round: ["precision", "method"],
    slice: ["slices", "fill_with"],
    string: [],
    title: [],
    upper: [],
    urlencode: [],
    wordcount: [],
  }),
  bytes: { run: toBytesText, parameters: [], isByLocale: true },
  date: { run: toDateText, parameters: [], isByLocale: true },
  datetime: { run: toDateTimeText, parameters: [], isByLocale: true },
  duration: { run: toDurationText, parameters: [], isByLocale: true },
  number: { run: toNumberText, parameters: ["digits", "fixed"], isByLocale: true },
  attr: { run: (value: unknown, name: string) => read(value, name), parameters: ["name"] },
  center: { run: center, parameters: ["width"] },
  default: { run: toDefault, parameters: ["default_value", "boolean"] },
  d: { run: toDefault, parameters: ["default_value", "boolean"] },
  escape: { run: escape, parameters: [] },
  e: { run: escape, parameters: [] },
  filesizeformat: { run: toFileSize, parameters: ["binary"] },
  forceescape: { run: (value: unknown) => new SafeString(escapeHTML(toText(value))), parameters: [] },
  format: {
    run: (value: unknown, ...values: unknown[]) => formatText(toText(value), values),
    parameters: null,
  },
  groupby: { run: groupBy, parameters: ["attribute"] },
  indent: { run: indent, parameters: ["width", "first"] },
  isotime: { run: toIsoTime, parameters: [] },
  items: { run: (value: object | null) => toItems(value), parameters: [] },
  list: { run: (value: unknown) => [...iterate(value, false)], parameters: [] },
  join: { run: joinAll, parameters: ["d", "attribute"] },
  length: { run: countOf, parameters: [] },
  count: { run: countOf, parameters: [] },
  map: { run: mapAll, parameters: null },
  max: { run: (value: unknown, by?: string) => extreme(value, by, 1), parameters: ["attribute"] },
  min: { run: (value: unknown, by?: string) => extreme(value, by, -1), parameters: ["attribute"] },
  nl2br: {
    run: (value: unknown) =>
      new SafeString(replaceTexts(show(value).replaceAll("\r\n", "\n"), "\n", "<br>\n")),
    parameters: [],
  },
  pprint: { run: (value: unknown) => JSON.stringify(value, null, 2), parameters: [] },
  reject: { run: (value: unknown, ...test: unknown[]) => pick(value, null, test, false), parameters: null },
  rejectattr: {
    run: (value: unknown, by: string, ...test: unknown[]) => pick(value, by, test, false),
    parameters: null,
  },
  replace: { run: replace, parameters: ["old", "new", "count"] },
  safe: { run: (value: unknown) => new SafeString(toText(value)), parameters: [] },
  select: { run: (value: unknown, ...test: unknown[]) => pick(value, null, test, true), parameters: null },
  selectattr: {
    run: (value: unknown, by: string, ...test: unknown[]) => pick(value, by, test, true),
    parameters: null,
  },
  sort: { run: sort, parameters: ["reverse", "case_sensitive", "attribute"] },
  striptags: { run: stripTags, parameters: [] },
  sum: { run: sum, parameters: ["attribute", "start"] },
  tojson: { run: toJson, parameters: ["indent"] },
  trim: { run: (value: unknown) => keep(value, toText(value).trim(), "trim"), parameters: [] },
  truncate: { run: truncate, parameters: ["length", "killwords", "end", "leeway"] },
  unique: { run: unique, parameters: ["case_sensitive", "attribute"] },
  urlize: { run: urlize, parameters: ["trim_url_limit", "nofollow"] },
  wordwrap: { run: wrapWords, parameters: ["width"] },
  xmlattr: { run: toAttributes, parameters: ["autospace"] },
};

/** Those that nunjucks has and that do as in Jinja2. */
function taken(names: Readonly<Record<string, readonly string[]>>): Record<string, Filter> {
  return Object.fromEntries(
    Object.entries(names).map(([name, parameters]) => {
      const run = nunjucks[name] as (value: unknown, ...args: unknown[]) => unknown;
      return [
        name,
        {
          run: (value: unknown, ...args: unknown[]) =>
            keep(value, run(value, ...args.map((arg, index) => bounded(arg, parameters[index]))), name),
          parameters,
        },
      ];
    }),
  );
}

/** What only changes letters leaves markup what it is. */
function keep(value: unknown, result: unknown, name: string): unknown {
  const isMarkup = value instanceof SafeString && typeof result === "string" && KEEPING.has(name);
  return isMarkup ? new SafeString(result) : result;
}

/** How often something is done is said by a number, or by a text that is one. */
function bounded(value: unknown, parameter: string | undefined): unknown {
  return parameter !== undefined && COUNTS.has(parameter) ? Math.min(Number(value), MAX_COUNT) : value;
}

function toDefault(value: unknown, fallback: unknown = "", isForFalse: unknown = false): unknown {
  return value === undefined || (isTrue(isForFalse) && !isTrue(value)) ? fallback : value;
}

function escape(value: unknown): SafeString {
  return value instanceof SafeString ? value : new SafeString(show(value));
}

function toItems(value: object | null): readonly unknown[] {
  if (value === null || value === undefined) return [];
  return value instanceof Map ? [...value] : Object.entries(value);
}

function joinAll(value: unknown, by: unknown = "", attribute?: string): unknown {
  const parts = iterate(value, false).map((one) =>
    attribute === undefined ? one : readPath(one, attribute),
  );
  const isMarkup = by instanceof SafeString || parts.some((part) => part instanceof SafeString);
  if (isMarkup) return new SafeString(joinTexts(parts.map(show), show(by)));
  return joinTexts(parts.map(toText), toText(by));
}

function countOf(value: unknown): number {
  const all = unwrap(value);
  if (typeof all === "string" || Array.isArray(all)) return all.length;
  if (all instanceof Map || all instanceof Set) return all.size;
  return typeof all === "object" && all !== null ? Object.keys(all).length : 0;
}

/** `map("upper")` runs a filter, `map(attribute="name")` reads a property. */
function mapAll(value: unknown, ...args: unknown[]): unknown[] {
  const all = iterate(value, false);
  const [first, ...rest] = args;
  if (first instanceof NamedArguments) {
    const { attribute, default: fallback } = first.values;
    if (attribute === undefined)
      throw new TypeError('Cannot map: write map(attribute="name") or map("upper")');
    return all.map((one) => readPath(one, toText(attribute)) ?? fallback);
  }
  const name = toText(first);
  const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
  if (filter === undefined) throw new TypeError(`Cannot map: there is no filter "${name}"`);
  let length = 0;
  return all.map((one) => {
    const made = (filter.run as (...all: unknown[]) => unknown)(one, ...rest);
    assertLength((length += lengthOf(made)));
    return made;
  });
}

/** About what a value takes, in characters. */
function lengthOf(value: unknown): number {
  const all = unwrap(value);
  if (typeof all === "string") return all.length;
  if (!Array.isArray(all)) return 0;
  return all.reduce<number>((length, one) => length + ITEM_LENGTH + lengthOf(one), 0);
}

function pick(value: unknown, attribute: string | null, test: unknown[], expected: boolean): unknown[] {
  const [name, ...args] = test;
  const run = name === undefined ? isTrue : findTest(toText(name));
  return iterate(value, false).filter((one) => {
    const tested = attribute === null ? one : readPath(one, toText(attribute));
    return run(tested, ...args) === expected;
  });
}

function findTest(name: string): (...args: unknown[]) => boolean {
  const test = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined;
  if (test === undefined) throw new TypeError(`Cannot select: there is no test "${name}"`);
  return test as (...args: unknown[]) => boolean;
}

function groupBy(value: unknown, attribute: string): unknown[] {
  const groups = new Map<unknown, unknown[]>();
  for (const one of sort(value, false, false, attribute)) {
    const key = readPath(one, attribute);
    const group = groups.get(key) ?? [];
    group.push(one);
    groups.set(key, group);
  }
  return [...groups].map(([grouper, list]) => Object.assign([grouper, list], { grouper, list }));
}

function sort(
  value: unknown,
  isReverse: unknown = false,
  isExact: unknown = false,
  attribute?: string,
): unknown[] {
  const keyed = iterate(value, false).map((one) => {
    const key = unwrap(attribute === undefined ? one : readPath(one, attribute));
    return [typeof key === "string" && !isTrue(isExact) ? key.toLowerCase() : key, one] as const;
  });
  const order = isTrue(isReverse) ? -1 : 1;
  return keyed
    .toSorted(([a], [b]) => (areEqual(a, b) ? 0 : order * (isBefore(a, b) ? -1 : 1)))
    .map(([, one]) => one);
}

/** What isn't there stands last. */
function isBefore(a: unknown, b: unknown): boolean {
  if (a === undefined || a === null) return false;
  return b === undefined || b === null || (a as number) < (b as number);
}

function unique(value: unknown, isExact: unknown = false, attribute?: string): unknown[] {
  const seen = new Set<unknown>();
  return iterate(value, false).filter((one) => {
    const key = unwrap(attribute === undefined ? one : readPath(one, attribute));
    const known = typeof key === "string" && !isTrue(isExact) ? key.toLowerCase() : key;
    if (seen.has(known)) return false;
    seen.add(known);
    return true;
  });
}

function extreme(value: unknown, attribute: string | undefined, sign: 1 | -1): unknown {
  const [first, ...rest] = sort(value, sign === 1, false, attribute);
  void rest;
  return first;
}

function sum(value: unknown, attribute?: string, start = 0): number {
  return iterate(value, false).reduce<number>(
    (total, one) => total + Number(attribute === undefined ? one : readPath(one, attribute)),
    start,
  );
}

/** JSON for a script or an attribute: no character of it ends either. */
function toJson(value: unknown, space?: number): SafeString {
  const json = JSON.stringify(value ?? null, (_key, one: unknown) => unwrap(one), space) ?? "null";
  return new SafeString(
    json.replace(
      /[<>&'\u2028\u2029]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
  );
}

function toFileSize(value: unknown, isBinary: unknown = false): string {
  const base = isTrue(isBinary) ? 1024 : 1000;
  const units = isTrue(isBinary) ? ["KiB", "MiB", "GiB", "TiB"] : ["kB", "MB", "GB", "TB"];
  const bytes = Number(value);
  if (bytes < base) return bytes === 1 ? "1 Byte" : `${bytes} Bytes`;
  const power = Math.min(Math.floor(Math.log(bytes) / Math.log(base)), units.length);
  return `${(bytes / base ** power).toFixed(1)} ${units[power - 1] ?? ""}`;
}

/** Makes links of addresses, and escapes all else. */
function urlize(value: unknown, limit?: number, isNofollow: unknown = false): SafeString {
  const rel = isTrue(isNofollow) ? ' rel="nofollow"' : "";
  const parts = toText(value).split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]])/);
  return new SafeString(
    parts
      .map((part, index) => {
        if (index % 2 === 0) return escapeHTML(part);
        const shown = limit !== undefined && part.length > limit ? `${part.slice(0, limit)}...` : part;
        return `<a href="${escapeHTML(part)}"${rel}>${escapeHTML(shown)}</a>`;
      })
      .join(""),
  );
}

/** Writes the attributes of an element: `true` as a bare name, and none for false, null or what isn't there. */
function toAttributes(value: unknown, hasSpace: unknown = true): SafeString {
  const written = Object.entries(value ?? {}).flatMap(([name, one]: [string, unknown]) => {
    if (one === undefined || one === null || one === false) return [];
    if (/[\s/>="'<\0]/.test(name) || name === "") throw new TypeError(`Cannot write the attribute "${name}"`);
    if (/^on/i.test(name))
      throw new TypeError(`Cannot write "${name}": no page of xcore runs scripts of attributes`);
    if (/^(?:(?:xlink:)?href|src|action|formaction)$/i.test(name) && !isSafeUrl(toText(one)))
      throw new TypeError(`Cannot write ${name}="${toText(one).slice(0, 40)}": it is no address of the web`);
    return [one === true ? name : `${name}="${show(one)}"`];
  });
  const text = written.join(" ");
  return new SafeString(text !== "" && isTrue(hasSpace) ? ` ${text}` : text);
}

/** As a browser reads it: without the tabs and new lines in it, and what nobody sees before it (WHATWG URL, 4.4). */
function isSafeUrl(url: string): boolean {
  // oxlint-disable-next-line no-control-regex -- finding control characters is what it is for
  const plain = url.replaceAll(/[\t\n\r]/g, "").replace(/^[\0-\x20]+/, "");
  return SAFE_URL.test(plain) || !/^[a-z][a-z0-9+.-]*:/i.test(plain);
}

/** Reads `author.name`, and `0` of a list. */
function readPath(value: unknown, path: unknown): unknown {
  return toText(path)
    .split(".")
    .reduce<unknown>((one, key) => read(one, /^\d+$/.test(key) ? Number(key) : key), value);
}
