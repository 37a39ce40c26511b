import { escapeHTML } from "bun";
import { SafeString } from "nunjucks/src/runtime.js";

export { SafeString };

/** Named arguments of a call, which come last. */
export class NamedArguments {
  readonly values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.values = values;
  }
}

/** Functions that are macros, which take named arguments as they are. */
export const macros = new WeakSet<object>();
/** Longest text that a template may make, in characters. */
export const MAX_TEXT = 16 * 1024 * 1024;
/** Longest list that `range()` makes, and what else a number in a template says the length of. */
export const MAX_COUNT = 100_000;
/** By these, code that runs reaches the functions that make code. */
const FORBIDDEN = /^(?:constructor|prototype|__\w+)$/;

/** Whether a template may read what goes by this name. */
export function isReadable(key: string): boolean {
  return !FORBIDDEN.test(key);
}

/** Returns what a value reads as in a page: markup as it is, all else escaped. */
export function show(value: unknown): string {
  if (typeof value === "string") return escapeHTML(value);
  if (typeof value === "number") return `${value}`;
  if (value === undefined || value === null) return "";
  if (value instanceof SafeString) return value.val;
  return escapeHTML(toText(value));
}

/** Returns a value as text, not escaped. @throws TypeError for a function, which was meant to be called */
export function toText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) return "";
  if (value instanceof SafeString) return value.val;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString();
  if (typeof value === "function") throw new TypeError("Cannot show a function: call it with ()");
  if (typeof value === "object" && (isPlain(value) || Array.isArray(value)))
    return JSON.stringify(value, (_key, one: unknown) => (one instanceof SafeString ? one.val : one)) ?? "";
  return (value as { toString(): string }).toString();
}

/** Whether a value counts as true, as in Python: what is empty or 0 doesn't. */
export function isTrue(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return Boolean(value);
  if (Array.isArray(value) || value instanceof SafeString) return value.length > 0;
  if (value instanceof Map || value instanceof Set) return value.size > 0;
  if (!isPlain(value)) return true;
  for (const _ in value) return true;
  return false;
}

/** Reads a property of a value; undefined where there is none. @throws TypeError for one that leads to code */
export function read(value: unknown, key: unknown): unknown {
  const name = typeof key === "number" ? key : toText(key);
  if (typeof name === "string" && !isReadable(name))
    throw new TypeError(`Cannot read "${name}": templates may not reach it`);
  return readName(value, typeof name === "number" && name < 0 ? fromEnd(value, name) : name);
}

/** The same for a name that is known to be harmless. */
export function readName(value: unknown, name: string | number): unknown {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "function")
    throw new TypeError(`Cannot read "${name}" of a function: call it with ()`);
  if (value instanceof Map && value.has(name)) return value.get(name) as unknown;
  if (value instanceof SafeString && typeof name === "number") return value.val[name];
  return (value as Record<string | number, unknown>)[name];
}

/**
 * Takes a part of a text or a list, as Python does.
 *
 * @param step how far apart what is taken stands; below 0 from the end
 * @throws TypeError for what has no parts, and bounds that are no numbers
 */
export function slice(value: unknown, start: unknown, stop: unknown, step: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  const all = unwrap(value);
  if (typeof all !== "string" && !Array.isArray(all))
    throw new TypeError("Cannot take a part: it is neither a text nor a list");
  const by = toBound(step) ?? 1;
  if (by === 0) throw new RangeError("Cannot take a part: its step is 0");
  const { length } = all;
  const [least, most] = by > 0 ? [0, length] : [-1, length - 1];
  const place = (bound: number): number =>
    bound < 0 ? Math.max(bound + length, least) : Math.min(bound, most);
  const from = place(toBound(start) ?? (by > 0 ? 0 : Infinity));
  const end = toBound(stop);
  const to = end === null ? (by > 0 ? most : least) : place(end);
  if (by === 1) return all.slice(from, Math.max(from, to));
  const taken: unknown[] = [];
  for (let at = from; by > 0 ? at < to : at > to; at += by) taken.push(all[at]);
  return typeof all === "string" ? taken.join("") : taken;
}

function toBound(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (Number.isInteger(value)) return value as number;
  throw new TypeError("Cannot take a part: its bounds are whole numbers");
}

export function areEqual(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (left === undefined || left === null) return right === undefined || right === null;
  if (left instanceof SafeString || right instanceof SafeString) return unwrap(left) === unwrap(right);
  if (left instanceof Date && right instanceof Date) return left.getTime() === right.getTime();
  return false;
}

/** Whether one value stands before another. */
export function compare(left: unknown, operator: string, right: unknown): boolean {
  const [a, b] = [unwrap(left) as number, unwrap(right) as number];
  if (operator === "<") return a < b;
  if (operator === ">") return a > b;
  return operator === "<=" ? a <= b : a >= b;
}

export function isIn(value: unknown, whole: unknown): boolean {
  const all = unwrap(whole);
  if (typeof all === "string") return all.includes(toText(value));
  if (Array.isArray(all)) return all.some((one) => areEqual(one, value));
  if (all instanceof Map || all instanceof Set) return all.has(value);
  if (typeof all === "object" && all !== null) return Object.hasOwn(all, toText(value));
  throw new TypeError("Cannot use `in`: on its right is neither a text, a list nor an object");
}

export function add(left: unknown, right: unknown): unknown {
  if (typeof left === "number" && typeof right === "number") return left + right;
  if (Array.isArray(left) && Array.isArray(right)) return limited([...left, ...right] as unknown[]);
  if (left === undefined || left === null || right === undefined || right === null)
    throw new TypeError("Cannot add: one of both isn't there");
  return join(left, right);
}

/** `a ~ b`: markup where one of both is. @throws RangeError for what is far too long */
export function join(left: unknown, right: unknown): unknown {
  const isMarkup = left instanceof SafeString || right instanceof SafeString;
  const text = isMarkup ? show(left) + show(right) : toText(left) + toText(right);
  assertLength(text.length);
  return isMarkup ? new SafeString(text) : text;
}

/** @throws RangeError for a text that would be far too long */
export function assertLength(length: number): void {
  if (length > MAX_TEXT) throw new RangeError(`Cannot join texts: they are longer than ${MAX_TEXT}`);
}

/** Joins texts. @throws RangeError for what would be far too long, before it is made */
export function joinTexts(parts: readonly string[], by: string): string {
  assertLength(parts.reduce((length, part) => length + part.length + by.length, -by.length));
  return parts.join(by);
}

/**
 * Replaces a part of a text, everywhere or that often; "" stands between all characters, as in Python.
 *
 * @throws RangeError for what would be far too long
 */
export function replaceTexts(text: string, from: string, to: string, times = Infinity): string {
  if (from === "") {
    const all = Array.from(text);
    const kept = all.splice(Math.min(times, all.length));
    const ending = times > all.length ? to : "";
    return joinTexts(["", ...all], to).slice(times < 1 ? to.length : 0) + kept.join("") + ending;
  }
  const parts: string[] = [];
  let [at, length] = [0, text.length];
  for (let next = text.indexOf(from); next !== -1 && parts.length < times; next = text.indexOf(from, at)) {
    parts.push(text.slice(at, next));
    length += to.length - from.length;
    assertLength(length);
    at = next + from.length;
  }
  return [...parts, text.slice(at)].join(to);
}

/** `a % b`: of a text, its places filled. */
export function remainder(left: unknown, right: unknown): unknown {
  const text = unwrap(left);
  if (typeof text === "string") return formatText(text, Array.isArray(right) ? right : [right]);
  const [a, b] = [Number(text), Number(right)];
  return ((a % b) + b) % b;
}

/** Fills `%s`, `%d`, `%i`, `%f`, `%.2f`, `%x`, `%%` and `%(name)s`, as Python does. @throws TypeError for another */
export function formatText(text: string, values: readonly unknown[]): string {
  let next = 0;
  let { length } = text;
  const [first] = values;
  return text.replace(
    /%(?:\((\w+)\))?([-0+ ]*)(\d{1,3})?(?:\.(\d{1,2}))?(.?)/g,
    (whole, name: string | undefined, flags: string, width = "", digits = "", kind = "") => {
      if (kind === "%") return "%";
      if (name === undefined && next >= values.length)
        throw new TypeError(`Cannot fill ${whole}: no value is left`);
      const value = name === undefined ? values[next++] : read(unwrapNamed(first), name);
      const shown = formatOne(value, String(kind), String(digits), whole);
      assertLength((length += Math.max(shown.length, Number(width))));
      const signed = flags.includes("+") && !shown.startsWith("-") && kind !== "s" ? `+${shown}` : shown;
      if (flags.includes("-")) return signed.padEnd(Number(width));
      return signed.padStart(Number(width), flags.includes("0") && kind !== "s" ? "0" : " ");
    },
  );
}

function formatOne(value: unknown, kind: string, digits: string, whole: string): string {
  if (kind === "s" || kind === "r")
    return digits === "" ? toText(value) : toText(value).slice(0, Number(digits));
  if (kind === "d" || kind === "i") return String(Math.trunc(Number(value)));
  if (kind === "f") return Number(value).toFixed(digits === "" ? 6 : Number(digits));
  if (kind === "x") return Math.trunc(Number(value)).toString(16);
  throw new TypeError(`Cannot fill ${whole}: write %s, %d, %f or %x, or %% for the sign itself`);
}

/** Returns what a `for` goes through; with two names or more, the pairs of an object. */
export function iterate(value: unknown, isPairs: boolean): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  if (value === undefined || value === null || value === "") return [];
  const all = unwrap(value);
  if (typeof all === "string") return limited(Array.from(all));
  if (typeof all === "object" && all !== null) {
    if (Symbol.iterator in all) return limitedFrom(all as Iterable<unknown>);
    return limited<unknown>(isPairs ? Object.entries(all) : Object.keys(all));
  }
  throw new TypeError(
    `Cannot go through ${typeof all === "function" ? "a function: call it with ()" : `the ${typeof all} ${toText(all).slice(0, 40)}`}`,
  );
}

/** Takes what an iterator gives, which may never end. @throws RangeError */
export function limitedFrom(values: Iterable<unknown>): unknown[] {
  const taken: unknown[] = [];
  for (const value of values) {
    taken.push(value);
    if (taken.length > MAX_COUNT) break;
  }
  return limited(taken);
}

/** @throws RangeError for a list that is far too long */
export function limited<T>(values: T[]): T[] {
  if (values.length <= MAX_COUNT) return values;
  throw new RangeError(`Cannot make the list: it has more than ${MAX_COUNT} items`);
}

/** The text of markup, any other value as it is. */
export function unwrap(value: unknown): unknown {
  return value instanceof SafeString ? value.val : value;
}

export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function unwrapNamed(value: unknown): unknown {
  return value instanceof NamedArguments ? value.values : value;
}

function fromEnd(value: unknown, index: number): number {
  const { length } = value as { length?: number };
  return typeof length === "number" ? length + index : index;
}
