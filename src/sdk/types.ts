import { Kind, type TSchema, Type, TypeRegistry } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { t } from "elysia";
import { isNumberText } from "../errors/number-text.ts";
import { mendFormats, readJson } from "./formats.ts";

type Schema = Record<string, unknown>;
type Maker = (...args: unknown[]) => Schema;

interface TextForm {
  readonly format: string;
  /** Undefined for what isn't the form of a value. */
  readonly read: (text: string) => unknown;
}

/** JSON of a whole number beyond these becomes another one. */
const SAFE = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
const TEXT_FORM = "TextForm";
const FORM = Symbol("form");
const NUMBER_TEXT: TextForm = {
  format: "numeric",
  read: (text) => (isNumberText(text) ? Number(text) : undefined),
};
const OBJECT_TEXT: TextForm = {
  format: "ObjectString",
  read: (text) => (text.trimStart().startsWith("{") ? readJson(text) : undefined),
};
const ARRAY_TEXT: TextForm = {
  format: "ArrayString",
  read: (text) => (text.trimStart().startsWith("[") ? readJson(text) : undefined),
};
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

/**
 * Mends Elysia's `t` and its formats, for plugins and for what Elysia makes of their schemas itself: a value arrives as it
 * was sent, or is refused.
 *
 * - Dates are those of RFC 3339: Elysia takes "1/2/2026", a time of the server's zone, and the 30th of February for the
 *   2nd of March. Numbers are those of JSON: it takes " 12 ", "0x10" and " ", which is 0.
 *   `t.Integer` is no text in JSON, and the rules of a `t.Numeric` are told where they are broken.
 * - `t.Unsafe` is held to the JSON Schema that it is: TypeBox doesn't know how, and fails on every request.
 * - A list in a `t.ArrayString` stays what it is, where Elysia looks for more lists in its texts.
 * - No value is invented where none was sent: Elysia gives types defaults "for generating error messages", and
 *   answers with the first choice of `t.UnionEnum`, a list of three numbers, or the text "File".
 */
export function mendTypes(): void {
  mendFormats();
  const types = t as unknown as Record<string, Maker>;
  for (const name of ["UnionEnum", "ArrayBuffer", "File", "Files"] as const) {
    const make = types[name] as Maker;
    const options = name === "UnionEnum" ? 1 : 0;
    types[name] = (...args) => withoutInvented(make(...args), args[options]);
  }
  const makeBoolean = types["BooleanString"] as Maker;
  types["BooleanString"] = (...args) => withoutTextDefault(makeBoolean(...args));
  types["Integer"] = (options) => Type.Integer({ ...SAFE, ...(options as object) });
  types["Numeric"] = (options) => toEither(Type.Number(options as object), options, NUMBER_TEXT);
  types["NumericEnum"] = (choices, options) =>
    toEither(Type.Enum(choices as Record<string, number>, options as object), options, NUMBER_TEXT);
  types["ObjectString"] = (properties, options) =>
    toEither(Type.Object(properties as Record<string, TSchema>, options as object), options, OBJECT_TEXT);
  types["ArrayString"] = (items = Type.String(), options) =>
    toEither(Type.Array(items as TSchema, options as object), options, ARRAY_TEXT);
  TypeRegistry.Set(TEXT_FORM, isTextForm);
  TypeRegistry.Set("Unsafe", (schema: Schema, value) => Value.Check(toKnown(schema), value));
  types["ArrayQuery"] = (items = Type.String(), options) => Type.Array(items as TSchema, options as object);
  const makeDate = types["Date"] as Maker;
  // Without the mark, Elysia makes of the number of a date in JSON one in text as well: "2026" would be a day of 1970.
  types["Date"] = (...args) => Object.assign(makeDate(...args), { elysiaMeta: "Date" });
}

function withoutInvented(schema: Schema, options: unknown): Schema {
  const given = (options ?? {}) as Schema;
  if (!("default" in given)) delete schema["default"];
  const items = schema["items"] as Schema | undefined;
  if (items !== undefined && !("default" in given)) delete items["default"];
  return schema;
}

/** What a type really is, in JSON also the text that is read as one, which its rules hold for as well. */
function toEither(real: TSchema, options: unknown, form: TextForm): Schema {
  const text = Type.Unsafe<unknown>({
    type: "string",
    format: form.format,
    [Kind]: TEXT_FORM,
    [FORM]: { ...form, real },
  });
  const either = Type.Transform(Type.Union([text, real], options as object));
  return either
    .Decode((value: unknown) =>
      typeof value === "string" ? Value.Decode<TSchema, unknown>(real, form.read(value)) : value,
    )
    .Encode((value) => value);
}

function isTextForm(
  schema: { readonly [FORM]?: TextForm & { readonly real: TSchema } },
  value: unknown,
): boolean {
  const { [FORM]: form } = schema;
  if (typeof value !== "string" || form === undefined) return false;
  const read = form.read(value);
  return read !== undefined && Value.Check(form.real, read);
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
