import { FormatRegistry, Kind, TransformKind, type TSchema, Type } from "@sinclair/typebox";

/** Of a payload: JSON Schema, as far as it can be checked by who doesn't run, or trust, the code that it is of. */
export type PortableSchema = Readonly<Record<string, unknown>>;

/** What a portable schema was read as. */
export interface ReadSchema {
  readonly schema: TSchema;
  /** Characters of its JSON: what checking a value by it costs is at most proportional to this. */
  readonly size: number;
}

const MAX_SIZE = 16 * 1024; // characters
const MAX_DEPTH = 16;
const NUMBER = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
/** The rules that each kind of TypeBox may have, beside `type` and `default`. */
const RULES: Readonly<Record<string, readonly string[]>> = {
  Unknown: [],
  Null: [],
  Boolean: [],
  Integer: NUMBER,
  Number: NUMBER,
  String: ["minLength", "maxLength", "format"],
  Literal: ["const"],
  Enum: ["enum"],
  Array: ["items", "minItems", "maxItems", "uniqueItems"],
  Tuple: ["items", "additionalItems", "minItems", "maxItems"],
  Object: ["properties", "required", "additionalProperties", "minProperties", "maxProperties"],
  Record: ["patternProperties", "additionalProperties"],
  Union: ["anyOf"],
  Intersect: ["allOf"],
  Never: ["not"],
};
const SAME_RULES: Readonly<Record<string, string>> = { Any: "Unknown", UnionEnum: "Enum" };
/** Rules that TypeBox knows and these don't: an expression of a stranger may take forever for a text. */
const UNPORTABLE = ["pattern", "contains", "minContains", "maxContains", "unevaluatedProperties"];
/** Kinds of values that no JSON has. */
const NO_JSON = new Set(["Date", "Undefined", "Void", "Never", "BigInt", "Symbol", "Function", "Uint8Array"]);
const NOTHING: PortableSchema = { not: {} };
/** Those that TypeBox makes of `t.Record(t.String(), …)` and `t.Record(t.Number(), …)`. */
const KEYS = new Set(["^(.*)$", "^(0|[1-9][0-9]*)$"]);
const BY_TYPE: Readonly<Record<string, string>> = {
  null: "Null",
  boolean: "Boolean",
  integer: "Integer",
  number: "Number",
  string: "String",
};

class UnportableError extends Error {}

/** Writes the schema of a payload for others to check it by; null for one that can't be, `{}` for any JSON. */
export function toPortableSchema(schema: TSchema | null): PortableSchema | null {
  if (schema === null) return {};
  try {
    const written = write(schema, 0);
    const text = JSON.stringify(written);
    // A default that is a function, or a Date, would become something else.
    if (!Bun.deepEquals(JSON.parse(text), written, true)) return null;
    return readPortableSchema(written) === null ? null : written;
  } catch (error) {
    if (error instanceof UnportableError || error instanceof TypeError) return null;
    throw error;
  }
}

/** Reads what a stranger says of a payload; null for what can't be checked, or not in time. */
export function readPortableSchema(given: unknown): ReadSchema | null {
  try {
    const schema = read(given, 0);
    const size = JSON.stringify(given).length;
    return size > MAX_SIZE ? null : { schema, size };
  } catch (error) {
    if (error instanceof UnportableError || error instanceof RangeError) return null;
    throw error;
  }
}

function write(schema: TSchema, depth: number): PortableSchema {
  const kind = schema[Kind];
  if (NO_JSON.has(kind)) return NOTHING;
  const rules = RULES[SAME_RULES[kind] ?? kind];
  // What is decoded may be refused then; a date isn't, once its text has the format.
  const isDecoded = TransformKind in schema && schema["elysiaMeta"] !== "Date";
  if (rules === undefined || isDecoded || depth > MAX_DEPTH) throw new UnportableError();
  const given = Object.entries(schema).filter(([, value]) => value !== undefined);
  if (given.some(([key]) => UNPORTABLE.includes(key))) throw new UnportableError();
  const known = given.filter(([key]) => key === "type" || key === "default" || rules.includes(key));
  return Object.fromEntries(
    known.map(([key, value]) => [key, mapParts(key, value, (part) => write(part as TSchema, depth + 1))]),
  );
}

function read(given: unknown, depth: number): TSchema {
  if (!isObject(given) || depth > MAX_DEPTH) throw new UnportableError();
  const kind = kindOf(given);
  for (const [key, value] of Object.entries(given)) {
    const isRule = key === "type" || key === "default" || (RULES[kind]?.includes(key) ?? false);
    if (!isRule || !isUsable(key, value)) throw new UnportableError();
  }
  assertWhole(kind, given);
  const hasDefault = "default" in given && { default: given["default"] };
  if (kind === "Never") return Type.Never();
  if (kind === "Enum") return { ...Type.Union((given["enum"] as unknown[]).map(toLiteral)), ...hasDefault };
  const entries = Object.entries(given).map(([key, value]) => [
    key,
    mapParts(key, value, (part) => read(part, depth + 1)),
  ]);
  return { ...(Object.fromEntries(entries) as object), [Kind]: kind } as unknown as TSchema;
}

function kindOf(given: PortableSchema): string {
  const { type } = given;
  if ("anyOf" in given) return "Union";
  if ("allOf" in given) return "Intersect";
  if ("enum" in given) return "Enum";
  if ("const" in given) return "Literal";
  if ("not" in given) return "Never";
  if (type === undefined) return "Unknown";
  if (type === "array") return Array.isArray(given["items"]) ? "Tuple" : "Array";
  if (type === "object") return "patternProperties" in given ? "Record" : "Object";
  const kind = typeof type === "string" && Object.hasOwn(BY_TYPE, type) ? BY_TYPE[type] : undefined;
  if (kind === undefined) throw new UnportableError();
  return kind;
}

/** TypeBox looks into these without asking. */
function assertWhole(kind: string, given: PortableSchema): void {
  const { items, minItems, maxItems, additionalItems } = given;
  const isTuple = (list: unknown): boolean =>
    Array.isArray(list) && minItems === list.length && maxItems === list.length && additionalItems === false;
  const isWhole =
    (kind !== "Array" || isObject(items)) &&
    (kind !== "Tuple" || isTuple(items)) &&
    (kind !== "Object" || isObject(given["properties"])) &&
    (kind !== "Never" || Bun.deepEquals(given["not"], {}));
  if (!isWhole) throw new UnportableError();
}

function isUsable(key: string, value: unknown): boolean {
  switch (key) {
    case "type":
      return typeof value === "string";
    case "default":
    case "not":
      return true;
    case "const":
      return isScalar(value) && value !== null;
    case "enum":
      return Array.isArray(value) && value.length > 0 && value.every(isScalar);
    case "format":
      return typeof value === "string" && FormatRegistry.Has(value);
    case "required":
      return Array.isArray(value) && value.every((name) => typeof name === "string");
    case "anyOf":
    case "allOf":
      return Array.isArray(value) && value.length > 0;
    case "items":
      return isObject(value) || Array.isArray(value);
    case "properties":
      return isObject(value) && !Object.hasOwn(value, "__proto__");
    case "patternProperties":
      return (
        isObject(value) && Object.keys(value).length === 1 && Object.keys(value).every((one) => KEYS.has(one))
      );
    case "additionalProperties":
      return typeof value === "boolean" || isObject(value);
    case "uniqueItems":
    case "additionalItems":
      return typeof value === "boolean";
    default: // of numbers and of sizes
      return typeof value === "number" && Number.isFinite(value) && (key !== "multipleOf" || value > 0);
  }
}

/** Maps the schemas that the value of a rule is made of. */
function mapParts(key: string, value: unknown, map: (part: unknown) => unknown): unknown {
  if (key === "properties" || key === "patternProperties") {
    return Object.fromEntries(Object.entries(value as object).map(([name, part]) => [name, map(part)]));
  }
  if (key === "anyOf" || key === "allOf" || key === "items") {
    return Array.isArray(value) ? value.map(map) : map(value);
  }
  return key === "additionalProperties" && typeof value === "object" ? map(value) : value;
}

function toLiteral(value: unknown): TSchema {
  return value === null ? Type.Null() : Type.Literal(value as string);
}

function isScalar(value: unknown): boolean {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function isObject(value: unknown): value is PortableSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
