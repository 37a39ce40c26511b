import { isObject, type Json } from "./fits.ts";

/** Follows references of a schema. */
type Resolve = (schema: unknown) => Json;

const JSON_TYPE = "application/json";
const FORM = "application/x-www-form-urlencoded";
const MULTIPART = "multipart/form-data";
const BYTES = "application/octet-stream";
const TEXT = "text/plain";

/** What Elysia's parsers read, by the names that routes give for them. */
const PARSED: Readonly<Record<string, string>> = {
  json: JSON_TYPE,
  text: TEXT,
  urlencoded: FORM,
  formdata: MULTIPART,
  arrayBuffer: BYTES,
};
const PRIMITIVES = new Set(["string", "number", "integer", "boolean"]);
const BODILESS = /^(1\d\d|204|205|304)$/;

/**
 * How a body can be sent: files only in a form, texts as they are or in JSON, and objects as a form too.
 *
 * @param parsers what the route names to read its bodies, none for what is always understood
 */
export function toRequestContent(schema: Json, parsers: readonly string[], resolve: Resolve): Json {
  const named = parsers.map((parser) => PARSED[parser] ?? parser).filter((type) => type.includes("/"));
  const types = named.length > 0 ? named : readableTypes(schema, resolve);
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

function readableTypes(schema: Json, resolve: Resolve): string[] {
  if (isBinary(resolve(schema))) return [BYTES];
  if (hasBinary(schema, resolve)) return [MULTIPART];
  const types = typesOf(schema, resolve);
  if (types.size === 0 || types.has("object")) return [JSON_TYPE, FORM, MULTIPART];
  return types.has("string") ? [JSON_TYPE, TEXT] : [JSON_TYPE];
}

/** What an answer is sent as, nothing where it has no body. */
export function toResponseContent(schema: Json, status: string, resolve: Resolve): Json {
  if (BODILESS.test(status)) return {};
  const { anyOf } = resolve(schema);
  const branches = Array.isArray(anyOf) ? anyOf.filter(isObject) : [schema];
  const byType = Map.groupBy(branches, (branch) => sentType(branch, resolve));
  byType.delete(null);
  const entries = [...byType].map(([type, sent]) => {
    const isAll = sent.length === branches.length;
    const [only] = sent;
    return [type, { schema: isAll ? schema : sent.length === 1 ? only : { anyOf: sent } }];
  });
  return entries.length === 0 ? {} : { content: Object.fromEntries(entries) as Json };
}

function sentType(schema: Json, resolve: Resolve): string | null {
  const known = resolve(schema);
  if (isBinary(known)) return BYTES;
  if (Bun.deepEquals(known["not"], {}) || known["type"] === "null") return null;
  const types = typesOf(schema, resolve);
  types.delete("null");
  if (types.size > 0 && [...types].every((type) => PRIMITIVES.has(type))) return TEXT;
  return hasBinary(schema, resolve) ? MULTIPART : JSON_TYPE;
}

/** JSON's types that values of a schema have, as far as it says. */
export function typesOf(schema: unknown, resolve: Resolve, seen = new Set<Json>()): Set<string> {
  const known = resolve(schema);
  if (seen.has(known)) return new Set();
  seen.add(known);
  const { type, enum: values, const: value, anyOf, oneOf, allOf, properties } = known;
  const inner = [anyOf, oneOf, allOf].flatMap((all) => (Array.isArray(all) ? all : []));
  const types = [type ?? []].flat() as string[];
  const literals = types.length > 0 ? [] : [Array.isArray(values) ? values : [], value ?? []].flat();
  return new Set([
    ...types,
    ...literals.map((literal) => (literal === null ? "null" : typeof literal)),
    ...(properties !== undefined && types.length === 0 ? ["object"] : []),
    ...inner.flatMap((one) => [...typesOf(one, resolve, seen)]),
  ]);
}

function isBinary({ type, format }: Json): boolean {
  return type === "string" && format === "binary";
}

/** Whether there is a file anywhere in what a schema describes. */
function hasBinary(value: unknown, resolve: Resolve, seen = new Set<unknown>()): boolean {
  if (typeof value !== "object" || value === null) return false;
  const known = Array.isArray(value) ? value : resolve(value);
  if (seen.has(known)) return false;
  seen.add(known);
  if (isObject(known) && isBinary(known)) return true;
  return Object.values(known).some((item) => hasBinary(item, resolve, seen));
}
