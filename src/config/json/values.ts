import { toPrintable } from "../../errors/printable.ts";

const MAX_QUOTE = 60; // characters

/** Where a value stands in a JSON document: the keys and array indices that lead to it from the top. */
export type KeyPath = readonly (string | number)[];

/** An object as JSON holds them. */
export type JsonObject = Record<string, unknown>;

/** Writes a path as people write it in JavaScript: `server.cors.allow_origins[0]`, "" for the top. */
export function formatKeyPath(path: KeyPath): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[\w$-]{1,100}$/.test(key)) text += text === "" ? key : `.${key}`;
    else text += `[${quote(key)}]`;
  }
  return text;
}

/** Tells whether `path` is `prefix` itself or lies below it. */
export function startsWithPath(path: KeyPath, prefix: KeyPath): boolean {
  return prefix.length <= path.length && prefix.every((key, index) => key === path[index]);
}

/** Writes any value as one line of JSON that is safe to print, cut after 60 characters. */
export function quote(value: unknown): string {
  const isJson = typeof value !== "number" || Number.isFinite(value);
  const json = (isJson ? JSON.stringify(value) : undefined) ?? String(value);
  const cut = json.length > MAX_QUOTE ? `${json.slice(0, MAX_QUOTE - 1).toWellFormed()}…` : json;
  return toPrintable(cut); // JSON leaves some characters as they are
}

/** Tells whether a value is an object with keys, and not an array or `null`. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at `path`, or `undefined` where there is none; inherited members are never found. */
export function valueAt(values: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return typeof key === "number" ? value[key] : undefined;
    return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }, values);
}

/** Lays `over` on `base`, object by object; neither is changed. Anything but an object replaces as a whole. */
export function mergeValues(base: JsonObject, over: JsonObject): JsonObject {
  const merged: JsonObject = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined || key === "__proto__") continue;
    const below = Object.hasOwn(base, key) ? base[key] : undefined;
    merged[key] = isJsonObject(value) ? mergeValues(isJsonObject(below) ? below : {}, value) : value;
  }
  return merged;
}

/** Copies the part of `values` that is replaced when `above` is laid over it. */
export function selectReplaced(values: JsonObject, above: JsonObject): JsonObject {
  const replaced: JsonObject = {};
  for (const [key, over] of Object.entries(above)) {
    if (!Object.hasOwn(values, key)) continue;
    const value = values[key];
    if (!isJsonObject(value) || !isJsonObject(over)) {
      replaced[key] = value;
      continue;
    }
    const inner = selectReplaced(value, over);
    if (Object.keys(inner).length > 0) replaced[key] = inner;
  }
  return replaced;
}

/** Makes a value unchangeable, at every depth, and gives it back. */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const member of Object.values(value)) freezeDeep(member);
  return Object.freeze(value);
}
