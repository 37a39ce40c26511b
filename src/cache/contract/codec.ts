import type { Entry } from "./store.ts";
import { BYTE_ARRAYS, type ByteArrayName, keep, type Kept } from "./values.ts";

/** The first character of what this version of the format writes. */
const VERSION = "\u0001";
/** Stands in front of what JSON doesn't know. */
const MARK = "$";
const COUNTER = /^-?\d{1,16}$/;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Writes an entry as text. Times become those of the clock, so that other processes can read them. */
export function encodeEntry({ kept, freshUntil, staleUntil, ttlMs, version, tags, marks }: Entry): string {
  const now = Date.now() - performance.now();
  const head = JSON.stringify([
    toClock(freshUntil, now),
    toClock(staleUntil, now),
    ttlMs,
    version,
    tags,
    marks,
  ]);
  return `${VERSION}${head}\n${encodeValue(kept)}`;
}

/** Writes a value as text; equal values of plain objects whose keys differ in order become other texts. */
export function encodeValue({ value, isPlain }: Kept): string {
  return isPlain ? `j${JSON.stringify(value)}` : `t${JSON.stringify(toTagged(value))}`;
}

/**
 * Reads an entry: undefined for what isn't one, is of another version, or is damaged. A bare whole number is what counting
 * has left; who has set it, and for how long, isn't told with it.
 */
export function decodeEntry(text: string): Entry | undefined {
  try {
    if (text[0] === VERSION) return decode(text);
    const count = isCounter(text) ? Number(text) : Number.NaN;
    return Number.isSafeInteger(count) ? toCounterEntry(count, Infinity) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a text is a bare number, which counting has left. */
export function isCounter(text: string): boolean {
  return COUNTER.test(text);
}

/** Makes the entry of a number that counts, as of now: all versions count on. */
export function toCounterEntry(count: number, ttlMs: number): Entry {
  const until = performance.now() + ttlMs;
  return {
    kept: keep(count),
    freshUntil: until,
    staleUntil: until,
    ttlMs,
    version: null,
    tags: [],
    marks: [],
  };
}

function decode(text: string): Entry | undefined {
  const end = text.indexOf("\n");
  const head = JSON.parse(text.slice(1, end)) as unknown[];
  const [freshUntil, staleUntil, ttl, version, tags, marks] = head;
  if (version !== null && typeof version !== "string") return undefined;
  if (!isTime(freshUntil) || !isTime(staleUntil) || !isTime(ttl) || !isTexts(tags) || !isTexts(marks)) {
    return undefined;
  }
  if (tags.length !== marks.length) return undefined;
  const json = JSON.parse(text.slice(end + 2)) as Json;
  const kept = keep(text[end + 1] === "t" ? fromTagged(json) : json);
  const now = Date.now() - performance.now();
  const ttlMs = ttl ?? Infinity;
  // A clock that was set back makes nothing last longer than it was to.
  const latest = performance.now() + ttlMs;
  return {
    kept,
    freshUntil: Math.min(fromClock(freshUntil, now), latest),
    staleUntil: fromClock(staleUntil, now),
    ttlMs,
    version,
    tags,
    marks,
  };
}

/** JSON has no Infinity: null. */
function toClock(time: number, now: number): number | null {
  return time === Infinity ? null : Math.round(time + now);
}

function fromClock(time: number | null, now: number): number {
  return time === null ? Infinity : time - now;
}

function isTime(value: unknown): value is number | null {
  return value === null || typeof value === "number";
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function toTagged(value: unknown): Json {
  if (typeof value === "number") {
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : tag("n", Object.is(value, -0) ? "-0" : `${value}`);
  }
  if (value === undefined) return tag("u", null);
  if (typeof value === "bigint") return tag("i", value.toString());
  if (typeof value !== "object" || value === null) return value as Json;
  if (Array.isArray(value)) return value.map(toTagged);
  if (value instanceof Date) return tag("d", Number.isNaN(value.getTime()) ? null : value.getTime());
  if (value instanceof Map)
    return tag(
      "m",
      Array.from(value, ([key, member]) => [toTagged(key), toTagged(member)]),
    );
  if (value instanceof Set) return tag("s", Array.from(value, toTagged));
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
    return tag("b", [value.constructor.name, bytes]);
  }
  const members = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toTagged(member)]));
  return Object.hasOwn(value, MARK) ? tag("o", members) : members;
}

function tag(kind: string, value: Json): Json {
  return { [MARK]: kind, v: value };
}

/** @throws TypeError for what `toTagged` doesn't write */
function fromTagged(json: Json): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(fromTagged);
  if (!Object.hasOwn(json, MARK)) return fromMembers(json);
  const value = json["v"] ?? null;
  switch (json[MARK]) {
    case "n":
      return Number(value);
    case "u":
      return undefined;
    case "i":
      return BigInt(value as string);
    case "d":
      return new Date(typeof value === "number" ? value : Number.NaN);
    case "m":
      return new Map((value as [Json, Json][]).map(([key, member]) => [fromTagged(key), fromTagged(member)]));
    case "s":
      return new Set((value as Json[]).map(fromTagged));
    case "b":
      return toBytes(value as [string, string]);
    case "o":
      return fromMembers(value as Record<string, Json>);
    default:
      throw new TypeError("Cannot read a cached value: its kind is unknown");
  }
}

function fromMembers(json: Readonly<Record<string, Json>>): unknown {
  return Object.fromEntries(Object.entries(json).map(([key, member]) => [key, fromTagged(member)]));
}

function toBytes([name, base64]: readonly [string, string]): ArrayBufferView {
  if (!Object.hasOwn(BYTE_ARRAYS, name))
    throw new TypeError("Cannot read cached bytes: their kind is unknown");
  const { buffer, byteOffset, byteLength } = Buffer.from(base64, "base64");
  return new BYTE_ARRAYS[name as ByteArrayName](buffer.slice(byteOffset, byteOffset + byteLength));
}
