import { isNumberText } from "./number-text.ts";
import { Kind, type TSchema } from "@sinclair/typebox";
import { Value, type ValueError } from "@sinclair/typebox/value";

/** The part of JSON Schema that Elysia's types are made of. */
export type JsonSchema = TSchema & {
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly elysiaMeta?: string;
};

/** Problems that an answer lists: a list of a million wrong values has as many. */
const MAX_ERRORS = 64;

/** Formats of the text forms that Elysia accepts beside numbers, booleans, arrays and objects. */
export const TEXT_FORMS = new Set(["numeric", "integer", "boolean", "ObjectString", "ArrayString"]);

/** Whether a value is a schema of TypeBox, which all of `t` of Elysia are. */
export function isTypeBoxSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && Kind in value;
}

/** Returns a schema in which "a number, or its text form" is a number again, as its author wrote it. */
function toPlainSchema(schema: JsonSchema): JsonSchema {
  const real = realBranch(schema);
  if (real !== undefined) return toPlainSchema(real);
  if (schema.properties !== undefined) {
    const properties = Object.entries(schema.properties);
    return { ...schema, properties: Object.fromEntries(properties.map(([k, v]) => [k, toPlainSchema(v)])) };
  }
  return isTypeBoxSchema(schema.items) ? { ...schema, items: toPlainSchema(schema.items) } : schema;
}

/**
 * Lists what is wrong with a value whose parts may be in their text form, as in a query string. Elysia stops
 * at the first text that is a number but breaks another rule; this does not.
 *
 * @param options.isText whether they may be: in JSON they aren't
 */
export function findValueErrors(
  schema: JsonSchema,
  value: unknown,
  { isText = true }: { isText?: boolean } = {},
): ValueError[] {
  const plain = toPlainSchema(schema);
  try {
    const found: ValueError[] = [];
    for (const error of Value.Errors(plain, isText ? toTyped(plain, value) : value)) {
      if (found.push(error) === MAX_ERRORS) break;
    }
    return found;
  } catch {
    return []; // a schema with references, whose definitions aren't at hand
  }
}

function toTyped(schema: JsonSchema, value: unknown): unknown {
  return Value.Convert(schema, readTextForms(schema, value));
}

function realBranch(schema: JsonSchema): JsonSchema | undefined {
  const { anyOf } = schema;
  if (anyOf === undefined) return undefined;
  const date = anyOf.find((branch) => branch[Kind] === "Date");
  if (date !== undefined) return date;
  const isTextForm = (branch: JsonSchema) => branch["type"] === "string" && TEXT_FORMS.has(branch["format"]);
  if (schema.elysiaMeta === undefined && !anyOf.some(isTextForm)) return undefined;
  return anyOf.find((branch) => branch["type"] !== "string");
}

/** Copies a value, for TypeBox converts in place, and splits what Elysia reads as an array or an object. */
function readTextForms(schema: JsonSchema, value: unknown): unknown {
  if (typeof value === "string") {
    // As Elysia does; TypeBox would read "1e13" as the integer 1.
    const isNumeric = schema["type"] === "integer" || schema["type"] === "number";
    if (isNumeric && isNumberText(value)) return Number(value);
    if (schema["type"] !== "array" && schema["type"] !== "object") return value;
    if (value.startsWith("[") || value.startsWith("{")) return JSON.parse(value);
    return schema["type"] === "array" ? value.split(",") : value;
  }
  if (Array.isArray(value)) return value.map((item) => readTextForms(schema.items ?? schema, item));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    return value;
  }
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    readTextForms(schema.properties?.[key] ?? ({} as JsonSchema), item),
  ]);
  return Object.fromEntries(entries);
}
