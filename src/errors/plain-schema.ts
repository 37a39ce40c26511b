import { Kind, type TSchema } from "@sinclair/typebox";
import { Value, type ValueError } from "@sinclair/typebox/value";
import type { InputProblem } from "./errors.ts";

/** The part of JSON Schema that Elysia's types are made of. */
export type JsonSchema = TSchema & {
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly elysiaMeta?: string;
  readonly [CLOSED]?: boolean | readonly string[];
  readonly [QUIET]?: true;
  readonly [TAKES_FILE]?: true;
  readonly [PROBLEM]?: (value: unknown) => Omit<InputProblem, "path">;
};

type Schemas = Readonly<Record<string, JsonSchema>>;

/** What a schema says by itself of a value that isn't as it says: `(value) => ({ code: "too_long", message: "…" })`. */
export const PROBLEM = Symbol.for("xcore/problem");

/**
 * Marks the schema of an object that is refused for properties which it doesn't name: elsewhere these are dropped. A list names those
 * that are there to be read alone.
 */
export const CLOSED = Symbol.for("xcore/closed");

/**
 * What the API documentation says in the place of a schema, made when it is asked for: of what may be declared later, and of what nothing
 * is checked by.
 */
export const DOCUMENTED = Symbol.for("xcore/documented");

/** Marks what is never suggested in the place of an unknown name, as it isn't there to everybody. */
export const QUIET = Symbol.for("xcore/quiet");

/** Marks a schema that takes a file too, where it is sent as a form. */
export const TAKES_FILE = Symbol.for("xcore/takes-file");

/** Problems that an answer lists: a list of a million wrong values has as many. */
const MAX_ERRORS = 64;

/** Formats of the text forms that Elysia accepts beside numbers, booleans, arrays and objects. */
export const TEXT_FORMS = new Set(["numeric", "integer", "boolean", "ObjectString", "ArrayString"]);

/** Whether a value is a schema of TypeBox, which all of `t` of Elysia are. */
export function isTypeBoxSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && Kind in value;
}

/** Lists the schemas that a schema is put together from: of properties, items, branches, and those it defines. */
export function partsOf(schema: JsonSchema): JsonSchema[] {
  const { properties, patternProperties, $defs } = schema as Partial<Record<string, Schemas>>;
  const named = [properties, patternProperties, $defs].flatMap((all) => Object.values(all ?? {}));
  const listed = [
    schema.items,
    schema.anyOf,
    schema["allOf"],
    schema["additionalProperties"],
  ].flat() as unknown[];
  return [...named, ...listed.filter(isTypeBoxSchema)];
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

/** Lists what is wrong with a value, at most 64 problems. */
export function findValueErrors(schema: JsonSchema, value: unknown): ValueError[] {
  try {
    return findErrors(toPlainSchema(schema), value);
  } catch {
    return []; // a schema with references, whose definitions aren't at hand
  }
}

/** The same for a value as it stands, whose schema is meant as it is. @throws what TypeBox does, for a schema with mistakes */
export function findErrors(schema: JsonSchema, value: unknown): ValueError[] {
  const found: ValueError[] = [];
  for (const error of Value.Errors(schema, value)) {
    if (found.push(error) === MAX_ERRORS) break;
  }
  return found;
}

function realBranch(schema: JsonSchema): JsonSchema | undefined {
  const { anyOf } = schema;
  // Of a date its text is as right as itself.
  if (anyOf === undefined || schema.elysiaMeta === "Date") return undefined;
  const isTextForm = (branch: JsonSchema) => branch["type"] === "string" && TEXT_FORMS.has(branch["format"]);
  if (schema.elysiaMeta === undefined && !anyOf.some(isTextForm)) return undefined;
  return anyOf.find((branch) => branch["type"] !== "string");
}
