import {
  areEqual,
  assertLength,
  isIn,
  isReadable,
  joinTexts,
  limited,
  limitedFrom,
  macros,
  NamedArguments,
  readName,
  replaceTexts,
  toText,
  unwrap,
} from "./values.ts";

type Method = (...args: unknown[]) => unknown;

/** What texts can do: as in Python, and what is harmless of JavaScript's own. */
const TEXT: Readonly<Record<string, (text: string, ...args: never[]) => unknown>> = {
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  toUpperCase: (text) => text.toUpperCase(),
  toLowerCase: (text) => text.toLowerCase(),
  strip: (text) => text.trim(),
  trim: (text) => text.trim(),
  lstrip: (text) => text.trimStart(),
  rstrip: (text) => text.trimEnd(),
  capitalize: (text) => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase(),
  title: (text) => text.toLowerCase().replace(/\b\w/g, (letter) => letter.toUpperCase()),
  startswith: (text, start: string) => text.startsWith(start),
  startsWith: (text, start: string) => text.startsWith(start),
  endswith: (text, end: string) => text.endsWith(end),
  endsWith: (text, end: string) => text.endsWith(end),
  includes: (text, part: string) => text.includes(part),
  indexOf: (text, part: string) => text.indexOf(part),
  find: (text, part: string) => text.indexOf(part),
  count: (text, part: string) => text.split(part).length - 1,
  replace: (text, from: unknown, to: unknown, times?: number) =>
    replaceTexts(text, toText(from), toText(to), times),
  split: (text, by?: unknown) =>
    limited(
      text.trim() === "" && by === undefined
        ? []
        : by === undefined
          ? text.trim().split(/\s+/)
          : text.split(toText(by)),
    ),
  splitlines: (text) => limited(text.split(/\r?\n/)),
  join: (text, parts: Iterable<unknown>) => joinTexts(limitedFrom(parts).map(toText), text),
  slice: (text, from: number, to?: number) => text.slice(from, to),
  isdigit: (text) => /^\d+$/.test(text),
  isalpha: (text) => /^\p{L}+$/u.test(text),
  format: (text, ...values) => formatBraces(text, values),
};

/** What lists can do, for those of JavaScript's methods that take functions or make long ones have filters instead. */
const LIST: Readonly<Record<string, (list: unknown[], ...args: never[]) => unknown>> = {
  append: (list, value: unknown) => void list.push(value),
  push: (list, value: unknown) => void list.push(value),
  pop: (list) => list.pop(),
  extend: (list, values: Iterable<unknown>) => void limited(list).push(...limitedFrom(values)),
  concat: (list, other: Iterable<unknown>) => limited([...list, ...limitedFrom(other)]),
  count: (list, value: unknown) => list.filter((one) => areEqual(one, value)).length,
  index: (list, value: unknown) => list.indexOf(value),
  indexOf: (list, value: unknown) => list.indexOf(value),
  includes: (list, value: unknown) => isIn(value, list),
  at: (list, index: number) => list.at(index),
  slice: (list, from: number, to?: number) => list.slice(from, to),
  join: (list, by: unknown = ",") => joinTexts(list.map(toText), toText(by)),
};

const MAPPING: Readonly<Record<string, (object: object, ...args: never[]) => unknown>> = {
  items: (object) => (object instanceof Map ? [...object] : Object.entries(object)),
  keys: (object) => (object instanceof Map ? [...object.keys()] : Object.keys(object)),
  values: (object) => (object instanceof Map ? [...object.values()] : Object.values(object)),
  get: (object, key: string, fallback: unknown = null) => readOwn(object, key) ?? fallback,
};

/**
 * Calls what a value has by a name: a method of Python's for texts, lists and objects, or the value's own.
 *
 * @throws TypeError for what isn't there or leads to code
 */
export function callMember(target: unknown, key: unknown, args: readonly unknown[]): unknown {
  const name = toText(key);
  if (target === undefined || target === null) throw new TypeError(`Cannot call ${name}() of nothing`);
  if (!isReadable(name)) throw new TypeError(`Cannot call "${name}": templates may not reach it`);
  const value = unwrap(target);
  // What methods make of markup is no markup: it may have lost a tag that closes.
  const known = findKnown(value, name);
  if (known !== undefined) return known(value, ...args.map(unwrap));
  const methods = typeof value === "string" ? TEXT : Array.isArray(value) ? LIST : null;
  if (methods !== null)
    throw new TypeError(`Cannot call ${name}(): expected one of ${Object.keys(methods).join(", ")}`);
  const own = readName(value, name);
  if (typeof own !== "function")
    throw new TypeError(`Cannot call ${name}(): it is ${own === undefined ? "not there" : "no function"}`);
  return (own as Method).apply(value, macros.has(own) ? [...args] : args.map(toOwn));
}

/** Calls a function by the name that a template gives it. @throws TypeError for what is none */
export function call(called: unknown, name: string, args: readonly unknown[]): unknown {
  if (typeof called === "function") return (called as Method)(...args);
  throw new TypeError(`Cannot call ${name}(): it is ${called === undefined ? "not there" : "no function"}`);
}

function findKnown(value: unknown, name: string): ((...args: unknown[]) => unknown) | undefined {
  const table =
    typeof value === "string" ? TEXT : Array.isArray(value) ? LIST : isMapping(value, name) ? MAPPING : null;
  return table !== null && Object.hasOwn(table, name) ? (table[name] as Method) : undefined;
}

function isMapping(value: unknown, name: string): boolean {
  if (typeof value !== "object" || value === null) return false;
  return value instanceof Map || typeof (value as Record<string, unknown>)[name] !== "function";
}

function readOwn(object: object, key: string): unknown {
  if (object instanceof Map) return object.get(key) as unknown;
  return Object.hasOwn(object, key) ? (object as Record<string, unknown>)[key] : undefined;
}

/** Functions that aren't made for templates get named arguments as an object. */
function toOwn(arg: unknown): unknown {
  return arg instanceof NamedArguments ? arg.values : unwrap(arg);
}

/** Fills `{}`, `{0}` and `{name}`. */
function formatBraces(text: string, values: readonly unknown[]): string {
  const last = values.at(-1);
  const named = last instanceof NamedArguments ? last.values : {};
  let next = 0;
  let { length } = text;
  return text.replace(/\{(\w*)\}/g, (_, key: string) => {
    const other = Object.hasOwn(named, key) ? named[key] : "";
    const shown = toText(key === "" ? values[next++] : /^\d+$/.test(key) ? values[Number(key)] : other);
    assertLength((length += shown.length));
    return shown;
  });
}
