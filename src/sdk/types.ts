import { FormatRegistry, Kind, type TSchema, Type, TypeRegistry } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { t } from "elysia";
import { isNumberText } from "../errors/number-text.ts";
import { parseJson } from "../web/input/json-depth.ts";

type Schema = Record<string, unknown>;
type Maker = (...args: unknown[]) => Schema;

const NUMBER_TEXT = "NumberText";
const NUMBER = Symbol("number");
const checked = new WeakMap<Schema, TSchema>();
const MAKERS: Readonly<Record<string, (schema: Schema) => TSchema>> = {
  string: (schema) => ({ ...Type.String(), ...schema, [Kind]: "String" }),
  number: (schema) => ({ ...Type.Number(), ...schema, [Kind]: "Number" }),
  integer: (schema) => ({ ...Type.Integer(), ...schema, [Kind]: "Integer" }),
  boolean: () => Type.Boolean(),
  null: () => Type.Null(),
  array: (schema) =>
    Type.Array(toKnown((schema["items"] ?? {}) as Schema), {
      ...schema,
      items: toKnown((schema["items"] ?? {}) as Schema),
    }),
  object: (schema) => {
    const properties = Object.entries((schema["properties"] ?? {}) as Record<string, Schema>);
    const known = Object.fromEntries(properties.map(([key, property]) => [key, toKnown(property)]));
    return { ...Type.Object({}), ...schema, properties: known, [Kind]: "Object" };
  },
};
const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[zZ]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Mends Elysia's `t` and its formats, for plugins and for what Elysia makes of their schemas itself: a value arrives as it
 * was sent, or is refused.
 *
 * - Dates are those of RFC 3339: Elysia takes "1/2/2026", a time of the server's zone, and the 30th of February for the
 *   2nd of March. Numbers are those of JSON: it takes " 12 ", "0x10" and " ", which is 0.
 *   `t.Integer` is no text in JSON, and the rules of a `t.Numeric` are told where they are broken.
 * - `t.Unsafe` is held to the JSON Schema that it is: TypeBox doesn't know how, and fails on every request.
 * - No value is invented where none was sent: Elysia gives types defaults "for generating error messages", and
 *   answers with the first choice of `t.UnionEnum`, a list of three numbers, or the text "File".
 */
export function mendTypes(): void {
  FormatRegistry.Set("date", isDay);
  FormatRegistry.Set("date-time", isMoment);
  FormatRegistry.Set("numeric", isNumberText);
  FormatRegistry.Set("integer", (text) => isNumberText(text) && Number.isSafeInteger(Number(text)));
  FormatRegistry.Set("ObjectString", (text) => isJson(text, "{"));
  FormatRegistry.Set("ArrayString", (text) => isJson(text, "["));
  const types = t as unknown as Record<string, Maker>;
  for (const name of ["UnionEnum", "ArrayBuffer", "File", "Files"] as const) {
    const make = types[name] as Maker;
    const options = name === "UnionEnum" ? 1 : 0;
    types[name] = (...args) => withoutInvented(make(...args), args[options]);
  }
  const makeBoolean = types["BooleanString"] as Maker;
  types["BooleanString"] = (...args) => withoutTextDefault(makeBoolean(...args));
  types["Integer"] = (options) => Type.Integer(options as object);
  types["Numeric"] = (options) => toNumeric(Type.Number(options as object), options);
  types["NumericEnum"] = (choices, options) =>
    toNumeric(Type.Enum(choices as Record<string, number>, options as object), options);
  TypeRegistry.Set(NUMBER_TEXT, isTextOf);
  TypeRegistry.Set("Unsafe", (schema: Schema, value) => Value.Check(toKnown(schema), value));
  types["ArrayQuery"] = (items = Type.String(), options) => Type.Array(items as TSchema, options as object);
  const makeDate = types["Date"] as Maker;
  // Without the mark, Elysia makes of the number of a date in JSON one in text as well: "2026" would be a day of 1970.
  types["Date"] = (...args) => Object.assign(makeDate(...args), { elysiaMeta: "Date" });
}

/** JSON of an object or a list, no deeper than a body may be. */
function isJson(text: string, opening: string): boolean {
  try {
    return text.trimStart().startsWith(opening) && parseJson(text) !== undefined;
  } catch {
    return false;
  }
}

function isDay(text: string): boolean {
  const [, year, month, day] = DAY.exec(text) ?? [];
  const time = Date.UTC(Number(year), Number(month) - 1, Number(day));
  return day !== undefined && new Date(time).toISOString().startsWith(text);
}

/** Of RFC 3339, 5.6; the "+" before a zone may have become a space, as it does in a query. */
function isMoment(text: string): boolean {
  const separator = text.charAt(10);
  if (separator !== "T" && separator !== "t") return false;
  const time = text.slice(11).replace(/ (?=\d\d:\d\d$)/, "+");
  return isDay(text.slice(0, 10)) && TIME.test(time);
}

function withoutInvented(schema: Schema, options: unknown): Schema {
  const given = (options ?? {}) as Schema;
  if (!("default" in given)) delete schema["default"];
  const items = schema["items"] as Schema | undefined;
  if (items !== undefined && !("default" in given)) delete items["default"];
  return schema;
}

/** A number, in a body also its text, which the rules of the number hold for as well. */
function toNumeric(number: TSchema, options: unknown): Schema {
  const text = Type.Unsafe<string>({
    type: "string",
    format: "numeric",
    [Kind]: NUMBER_TEXT,
    [NUMBER]: number,
  });
  const either = Type.Transform(Type.Union([text, number], options as object));
  return either
    .Decode((value) => (typeof value === "string" ? Number(value) : value))
    .Encode((value) => value);
}

function isTextOf(schema: { readonly [NUMBER]?: TSchema }, value: unknown): boolean {
  if (typeof value !== "string" || schema[NUMBER] === undefined) return false;
  return isNumberText(value) && Value.Check(schema[NUMBER], Number(value));
}

/** JSON Schema in the words of TypeBox, as far as it has a type. */
function toKnown(schema: Schema): TSchema {
  const known = checked.get(schema) ?? makeKnown(schema);
  checked.set(schema, known);
  return known;
}

function makeKnown(schema: Schema): TSchema {
  if (Kind in schema && schema[Kind] !== "Unsafe") return schema as TSchema;
  if (Array.isArray(schema["enum"]))
    return Type.Union(schema["enum"].map((one: string) => Type.Literal(one)));
  const make = MAKERS[String(schema["type"])];
  return make === undefined ? Type.Unknown() : make(schema);
}

/** The default of the text form, which is never used: Elysia sees one, and gives a list where an object belongs its keys. */
function withoutTextDefault(schema: Schema): Schema {
  for (const branch of (schema["anyOf"] ?? []) as Schema[]) {
    if (branch["type"] === "string") delete branch["default"];
  }
  return schema;
}
