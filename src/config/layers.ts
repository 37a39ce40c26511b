import type { KeyPath } from "./json/key-path.ts";
import { rootNode, type SchemaNode } from "./schema-node.ts";

/** An object as JSON holds them. */
export type JsonObject = Record<string, unknown>;

/** Where a value was given. */
export interface Origin {
  /** For programs: `config.json:3:12`, ".env", "environment" or "flag". */
  readonly source: string;
  /** For people: "line 3", or the name of the variable. */
  readonly where: string;
  /** Set when the value came from a variable with the name of a secret: it must not be shown. */
  readonly isSecret: boolean;
}

/** Some keys of the configuration from one place; a later layer wins over an earlier one, key by key. */
export interface Layer {
  readonly values: JsonObject;
  /** Where this layer gives the value at `path`, or the key of it; only asked for paths that it holds. */
  originOf(path: KeyPath, part: "key" | "value"): Origin;
}

/** Tells whether a value is an object with keys, and not an array or `null`. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
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

/** The value at `path`, or `undefined` where there is none; inherited members are never found. */
export function valueAt(values: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return typeof key === "number" ? value[key] : undefined;
    return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }, values);
}

/** A fresh object with the default of every key. */
export function createDefaults(node: SchemaNode = rootNode): JsonObject {
  const values: JsonObject = {};
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    if (child.properties) values[key] = createDefaults(child);
    else if (child.default !== undefined) values[key] = structuredClone(child.default);
  }
  return values;
}

/** Makes a value unchangeable, at every depth, and gives it back. */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const member of Object.values(value)) freezeDeep(member);
  return Object.freeze(value);
}
