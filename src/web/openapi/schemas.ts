import { Kind, TransformKind } from "@sinclair/typebox";
import { DOCUMENTED, TEXT_FORMS } from "../../errors/plain-schema.ts";
import {
  count,
  data,
  finite,
  type Fit,
  fitEntries,
  flag,
  isObject,
  isPattern,
  type Json,
  listOf,
  mapOf,
  oneOf,
  pattern,
  positive,
  shapeOf,
  text,
} from "./fits.ts";
import { References } from "./references.ts";

/** Whether a schema is of what is sent, or of what is answered: those of some libraries differ. */
export type Direction = "input" | "output";

const MAX_DEPTH = 100; // schemas within each other
const TYPES = ["string", "number", "integer", "boolean", "object", "array", "null"];
const type = oneOf(...TYPES);
const BINARY = { type: "string", format: "binary" };

/** What can't be told: anything may stand here. */
const UNKNOWN: Json = { description: "Anything: this can't be said in JSON Schema" };
const NO_JSON: Json = { description: "No value of JSON" };
const ABSENT: Json = { not: {}, description: "Never there" };

/** What TypeBox and Elysia call types that JSON hasn't. */
const FOREIGN_TYPES: Readonly<Record<string, (schema: Json) => Json>> = {
  Date: () => ({ type: "string", format: "date-time" }),
  RegExp: ({ source }) =>
    isPattern(String(source)) ? { type: "string", pattern: source } : { type: "string" },
  Uint8Array: () => BINARY,
  ArrayBuffer: () => BINARY,
  undefined: () => ABSENT,
  void: () => ABSENT,
  symbol: () => NO_JSON,
  Function: () => NO_JSON,
  Constructor: () => NO_JSON,
  Promise: () => NO_JSON,
  Iterator: () => NO_JSON,
  AsyncIterator: () => NO_JSON,
};

/** What is said of any type. */
const ANNOTATIONS: Readonly<Record<string, Fit>> = {
  title: text,
  description: text,
  default: data,
  example: data,
  examples: listOf(data),
  deprecated: flag,
  readOnly: flag,
  writeOnly: flag,
};

/**
 * Makes JSON Schema 2020-12 of what plugins give for a schema: TypeBox, Elysia's types, Standard Schemas, JSON Schema of
 * any draft. It never throws, and whatever it makes is valid: what can't be told is left out. Schemas that refer to
 * themselves, and those with a name, become models, which carry the app's name.
 */
export class SchemaConverter {
  readonly #references: References;
  /** Schemas that are being converted, each within the one before. */
  readonly #open = new Set<unknown>();
  readonly #keywords: Readonly<Record<string, Fit>>;
  #direction: Direction = "input";

  /** @param app name to set the models apart with */
  constructor(app: string, models: Readonly<Record<string, unknown>>) {
    this.#references = new References(app, models, (schema) => this.#toBody(schema));
    this.#keywords = createKeywords((schema) => this.#toSchema(schema));
  }

  /** Models by the name that references use. */
  get models(): Readonly<Record<string, unknown>> {
    return this.#references.converted;
  }

  /** Makes models of all that the app has named. */
  addModels(): void {
    this.#references.addAll();
  }

  convert(schema: unknown, direction: Direction): Json {
    this.#direction = direction;
    const converted = this.#toSchema(schema);
    return isObject(converted) ? converted : {};
  }

  /** Follows references of a schema that was converted. */
  resolve(schema: unknown): Json {
    return this.#references.resolve(schema);
  }

  /** Undefined where there is no schema at all. */
  #toSchema(schema: unknown): unknown {
    if (typeof schema === "boolean") return schema;
    if (schema === null || !["object", "function", "string"].includes(typeof schema)) return undefined;
    if (this.#open.has(schema) || this.#open.size >= MAX_DEPTH) return UNKNOWN;
    this.#open.add(schema);
    try {
      if (typeof schema === "string") return this.#toTarget(schema);
      const { [DOCUMENTED]: make } = schema as { readonly [DOCUMENTED]?: () => unknown };
      return make === undefined ? this.#toNamed(schema as Json) : this.#toSchema(make());
    } catch {
      return UNKNOWN; // of a plugin's own making, with getters that throw and the like
    } finally {
      this.#open.delete(schema);
    }
  }

  #toNamed(schema: Json): Json {
    if ("~standard" in schema) return this.#toStandard(schema);
    const { $id } = schema;
    if (typeof $id === "string") return this.#references.toModel({ target: schema, wanted: $id });
    return this.#references.within(schema, () => this.#toBody(schema));
  }

  /** What Standard Schemas say of themselves: https://standardschema.dev/json-schema, or as their libraries do. */
  #toStandard(schema: Json): Json {
    const standard = schema["~standard"] as { jsonSchema?: Record<Direction, (options: object) => unknown> };
    const own = (schema["toJsonSchema"] ?? schema["toJSONSchema"]) as (() => unknown) | undefined;
    const json =
      standard.jsonSchema?.[this.#direction]?.({ target: "draft-2020-12" }) ?? own?.call(schema) ?? null;
    return isObject(json) ? this.#references.within(json, () => this.#toBody(json)) : UNKNOWN;
  }

  #toTarget(reference: string, isOwn = false): Json {
    return this.#references.refer(reference, { isOwn }) ?? UNKNOWN;
  }

  /** What a schema says, wherever its name leads. */
  #toBody(schema: Json): Json {
    const { $ref, type: name } = schema;
    const kind = schema[Kind as unknown as string];
    if (typeof $ref === "string") {
      return { ...this.#toTarget($ref, kind === "This"), ...fitEntries(schema, ANNOTATIONS) };
    }
    if (name === "bigint") return this.#toPlain({ ...schema, type: "integer" });
    const foreign = kind === "ArrayBuffer" ? kind : name;
    const isForeign = typeof foreign === "string" && Object.hasOwn(FOREIGN_TYPES, foreign);
    const toJson = isForeign ? FOREIGN_TYPES[foreign] : undefined;
    if (toJson !== undefined) return { ...toJson(schema), ...fitEntries(schema, ANNOTATIONS) };
    const isUnion = Array.isArray(schema["anyOf"]) && schema["anyOf"].length > 0;
    return withNull(schema, isUnion ? this.#toUnion(schema) : this.#toPlain(schema));
  }

  #toPlain(schema: Json): Json {
    if (schema["format"] === "binary") return { ...BINARY, ...fitEntries(schema, ANNOTATIONS) };
    const said = fitEntries(withoutDraft7(schema), this.#keywords);
    const { required } = said;
    if (!Array.isArray(required)) return said;
    const properties = (schema["properties"] ?? {}) as Json;
    // JSON has no way to send what must be there and undefined.
    const there = required.filter((key) => !mayBeAbsent(properties[String(key)]));
    const { required: _, ...rest } = said;
    return there.length === 0 ? rest : { ...rest, required: there };
  }

  #toUnion({ anyOf, ...rest }: Json): Json {
    const branches = realBranches((anyOf as unknown[]).filter(isObject), TransformKind in rest);
    const kept = branches.filter((branch) => !mayBeAbsent(branch) || branch["anyOf"] !== undefined);
    const made = kept.map((branch) => this.#toSchema(branch)).filter(isObject);
    const converted = [...new Map(made.map((one) => [JSON.stringify(one), one])).values()];
    const { type: _, ...said } = this.#toPlain(rest);
    const [only] = converted;
    if (only === undefined) return { ...ABSENT, ...said };
    return converted.length === 1 ? { ...said, ...only } : { ...joinBranches(converted), ...said };
  }
}

/** Those whose value is a schema. */
const SCHEMA_KEYWORDS = (
  "contentSchema additionalProperties unevaluatedProperties propertyNames items unevaluatedItems " +
  "contains not if then else"
).split(" ");

/** The bounds that each `t.Integer()` has: those of what JSON numbers hold. */
const bound: Fit = (value) =>
  Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER ? undefined : finite(value);

function createKeywords(schema: Fit): Readonly<Record<string, Fit>> {
  const texts = listOf(text, { isSet: true, mayBeEmpty: true });
  return {
    ...ANNOTATIONS,
    ...Object.fromEntries(SCHEMA_KEYWORDS.map((keyword) => [keyword, schema])),
    $comment: text,
    type: (value) => type(value) ?? listOf(type, { isSet: true })(value),
    format: text,
    enum: listOf(data),
    const: data,
    multipleOf: positive,
    maximum: bound,
    exclusiveMaximum: finite,
    minimum: bound,
    exclusiveMinimum: finite,
    maxLength: count,
    minLength: count,
    pattern,
    maxItems: count,
    minItems: count,
    uniqueItems: flag,
    maxContains: count,
    minContains: count,
    maxProperties: count,
    minProperties: count,
    required: texts,
    dependentRequired: mapOf(texts),
    contentEncoding: text,
    contentMediaType: text,
    properties: mapOf(schema),
    patternProperties: mapOf(schema, isPattern),
    dependentSchemas: mapOf(schema),
    prefixItems: listOf(schema),
    allOf: listOf(schema),
    oneOf: listOf(schema),
    externalDocs: shapeOf({ url: text, description: text }, { url: "" }),
    xml: shapeOf({ name: text, namespace: text, prefix: text, attribute: flag, wrapped: flag }),
  };
}

/** Tuples are lists of `items` to TypeBox, and were to JSON Schema before 2020-12. */
function withoutDraft7(schema: Json): Json {
  const { items, additionalItems, ...rest } = schema;
  if (!Array.isArray(items)) return schema;
  return { ...rest, prefixItems: items, items: additionalItems ?? true };
}

/** `nullable` is of OpenAPI 3.0; beside TypeBox's Null it says nothing new. */
function withNull({ nullable }: Json, said: Json): Json {
  if (nullable !== true || [said["type"]].flat().includes("null") || said["anyOf"] !== undefined) return said;
  return joinBranches([said, { type: "null" }]);
}

/** Leaves out the text forms that Elysia accepts for a value of another type. */
function realBranches(branches: readonly Json[], isTransformed: boolean): readonly Json[] {
  if (branches.every(isDateForm) && branches.some((branch) => branch["type"] === "Date")) {
    return [{ type: "Date" }];
  }
  const form = branches.find((branch) => isForm(branches) && !isForm([branch]));
  if (form !== undefined) return [{ ...form, default: undefined }]; // Elysia's own, an empty form
  const real = branches.filter(
    ({ type: name, format }) => name !== "string" || !TEXT_FORMS.has(String(format)),
  );
  const isList = isTransformed && real.length === 2 && real[0]?.["type"] === "string";
  return isList && real[1]?.["type"] === "array" ? real.slice(1) : real; // t.ArrayQuery
}

function isForm(branches: readonly Json[]): boolean {
  return branches.some((branch) => branch[Kind as unknown as string] === "ElysiaForm");
}

function isDateForm({ type: name, format }: Json): boolean {
  return (
    name === "Date" ||
    name === "number" ||
    (name === "string" && (format === "date-time" || format === "date"))
  );
}

/** Several branches as one schema: literals are an enumeration, and null is a type beside another. */
function joinBranches(branches: readonly Json[]): Json {
  const isLiteral = branches.every((branch) =>
    Object.keys(branch).every((key) => key === "const" || key === "type"),
  );
  if (isLiteral && branches.every((branch) => "const" in branch)) {
    const types = [...new Set(branches.map((branch) => branch["type"]))];
    const [only] = types;
    return {
      ...(types.length === 1 && only !== undefined ? { type: only } : {}),
      enum: branches.map((branch) => branch["const"]),
    };
  }
  const [one, ...more] = branches.filter((branch) => branch["type"] !== "null");
  const isSimple = one !== undefined && more.length === 0 && branches.length === 2;
  if (isSimple && typeof one["type"] === "string" && !("enum" in one) && !("const" in one)) {
    return { ...one, type: [one["type"], "null"] };
  }
  return { anyOf: branches };
}

/** Whether a value of a schema may be undefined, and so can't be there in JSON. */
export function mayBeAbsent(schema: unknown): boolean {
  if (!isObject(schema)) return false;
  const { type: name, anyOf } = schema;
  return name === "undefined" || name === "void" || (Array.isArray(anyOf) && anyOf.some(mayBeAbsent));
}
