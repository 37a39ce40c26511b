import { Kind } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { LIST_QUERY } from "../../db/paging/page-query.ts";
import { toBigInt } from "../../errors/number-text.ts";
import { CLOSED, isTypeBoxSchema, type JsonSchema } from "../../errors/plain-schema.ts";
import { toCheckedSchema } from "./check-order.ts";
import { createEncoder } from "./encoder.ts";
import { createQueryReader } from "./queries.ts";
import { createPartReader } from "./text-values.ts";

type Clean = (value: unknown) => unknown;

/** Schemas by the names that others refer to them by. */
type Definitions = Map<string, JsonSchema>;

const keep: Clean = (value) => value;

/**
 * Creates what drops the properties that a schema doesn't name. Whatever isn't of the kind that the schema says stays as
 * it is, for the check to refuse: Elysia's own makes an empty object of a text, and a list of four billion entries of
 * `{ "length": 4294967295 }`.
 *
 * @param isText whether the values come as text, as those of the path, headers and cookies do: it is read first
 */
export function createCleaner(schema: unknown, isText = false): Clean {
  if (!isTypeBoxSchema(schema)) return keep;
  const clean = new Cleaners().whole(schema);
  const read = isText ? createPartReader(schema) : null;
  return read === null ? clean : (value) => clean(read(value as Record<string, unknown>));
}

/** What Elysia is told to clean with, to read a query with, to check by and to encode with: see patches/. */
export const normalize = Object.assign(createCleaner, {
  query: createQueryReader,
  schema: toCheckedSchema,
  encoder: createEncoder,
});

/** Makes cleaners; null stands for those that have nothing to do. */
class Cleaners {
  readonly #definitions: Definitions = new Map();
  readonly #referred = new Map<string, Clean>();
  #isRecursive = false;
  #call = 0;

  /** Makes the cleaner of a whole schema. */
  whole(schema: JsonSchema): Clean {
    const clean = this.of(schema);
    if (clean === null) return keep;
    if (!this.#isRecursive) return clean;
    return (value) => {
      this.#call += 1;
      return clean(value);
    };
  }

  of(schema: JsonSchema): Clean | null {
    const { $id, $defs } = schema as { $id?: unknown; $defs?: Record<string, JsonSchema> };
    if (typeof $id === "string") this.#definitions.set($id, schema);
    for (const [name, definition] of Object.entries($defs ?? {})) this.#definitions.set(name, definition);
    if (typeof schema["$ref"] === "string") return this.#ofReference(schema["$ref"]);
    if (schema.anyOf !== undefined) return this.#ofUnion(schema.anyOf);
    if (Array.isArray(schema["allOf"])) return this.#ofIntersection(schema["allOf"] as JsonSchema[]);
    if (schema[Kind] === "Record") return this.#ofRecord(schema);
    if (schema[Kind] === "BigInt") return (value) => toBigInt(value) ?? value; // JSON has none
    if (schema["type"] === "object") return this.#ofObject(schema);
    return schema["type"] === "array" ? this.#ofArray(schema) : null;
  }

  /** Made when it is first needed: a schema may contain itself. */
  #ofReference(reference: string): Clean {
    const name = reference.replace("#/$defs/", "");
    this.#isRecursive = true;
    return (value) => {
      const known = this.#referred.get(name);
      if (known !== undefined) return known(value);
      const schema = this.#definitions.get(name);
      const clean = (schema === undefined ? null : this.of(schema)) ?? keep;
      this.#referred.set(name, clean);
      return clean(value);
    };
  }

  #ofObject(schema: JsonSchema): Clean | null {
    if (schema.properties === undefined) return null;
    const properties = new Map<string, Clean | null>();
    for (const [key, property] of Object.entries(schema.properties)) properties.set(key, this.of(property));
    const isList = schema.properties["page"]?.[LIST_QUERY as unknown as string] === true;
    const isOpen =
      isList ||
      schema[CLOSED] !== undefined ||
      Boolean(schema["additionalProperties"]) ||
      schema["patternProperties"] !== undefined;
    if (isOpen && ![...properties.values()].some(Boolean)) return null;
    return (value) => (isRecord(value) ? cleanObject(value, { properties, isOpen }) : value);
  }

  #ofIntersection(parts: readonly JsonSchema[]): Clean | null {
    const objects = parts.filter((part) => part["type"] === "object" && part.properties !== undefined);
    if (objects.length !== parts.length) return null;
    return this.#ofObject({
      type: "object",
      properties: Object.assign({}, ...objects.map(({ properties }) => properties)) as object,
      additionalProperties: objects.some((part) => Boolean(part["additionalProperties"])),
    } as unknown as JsonSchema);
  }

  #ofRecord(schema: JsonSchema): Clean | null {
    const [item] = Object.values((schema["patternProperties"] ?? {}) as Record<string, JsonSchema>);
    const clean = item === undefined ? null : this.of(item);
    if (clean === null) return null;
    return (value) =>
      isRecord(value)
        ? Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, clean(entry)]))
        : value;
  }

  #ofArray({ items }: JsonSchema): Clean | null {
    if (items === undefined) return null;
    if (!Array.isArray(items)) {
      const clean = this.of(items);
      return clean === null ? null : (value) => (Array.isArray(value) ? value.map(clean) : value);
    }
    const cleaners = (items as JsonSchema[]).map((item) => this.of(item));
    if (!cleaners.some(Boolean)) return null;
    return (value) =>
      Array.isArray(value) ? value.map((entry: unknown, at) => (cleaners[at] ?? keep)(entry)) : value;
  }

  /** The value as the first branch takes it, or else without what a branch doesn't name. */
  #ofUnion(branches: readonly JsonSchema[]): Clean | null {
    const cleaners = branches.map((branch) => this.of(branch));
    if (!cleaners.some(Boolean)) return null;
    return this.#once((value) => {
      const at = branches.findIndex((branch) => this.#takes(branch, value));
      if (at !== -1) return (cleaners[at] ?? keep)(value);
      for (const [index, branch] of branches.entries()) {
        const cleaned = (cleaners[index] ?? keep)(value);
        if (cleaned !== value && this.#takes(branch, cleaned)) return cleaned;
      }
      return value;
    });
  }

  /** Cleans each value once in a call: in a schema that contains itself, every branch comes to the values below. */
  #once(clean: Clean): Clean {
    let call = 0;
    let cleaned = new WeakMap<object, unknown>();
    return (value) => {
      if (!this.#isRecursive || typeof value !== "object" || value === null) return clean(value);
      if (call !== this.#call) {
        call = this.#call;
        cleaned = new WeakMap();
      }
      if (cleaned.has(value)) return cleaned.get(value);
      const result = clean(value);
      cleaned.set(value, result);
      return result;
    };
  }

  #takes(schema: JsonSchema, value: unknown): boolean {
    try {
      return Value.Check(schema, [...this.#definitions.values()], value);
    } catch {
      return false; // a reference whose definition isn't at hand
    }
  }
}

function cleanObject(
  value: Readonly<Record<string, unknown>>,
  { properties, isOpen }: { properties: ReadonlyMap<string, Clean | null>; isOpen: boolean },
): unknown {
  let copy: Record<string, unknown> | null = null;
  for (const key of Object.keys(value)) {
    const clean = properties.get(key);
    // Strangers send a million that nobody knows: they aren't copied to be taken out again.
    if (clean === undefined && !isOpen) return pickKnown(value, properties);
    if (clean === null || clean === undefined) continue;
    const cleaned = clean(value[key]);
    if (cleaned === value[key]) continue;
    copy ??= { ...value };
    copy[key] = cleaned;
  }
  return copy ?? value;
}

function pickKnown(
  value: Readonly<Record<string, unknown>>,
  properties: ReadonlyMap<string, Clean | null>,
): unknown {
  const known: Record<string, unknown> = {};
  for (const [key, clean] of properties) {
    if (Object.hasOwn(value, key)) known[key] = (clean ?? keep)(value[key]);
  }
  return known;
}

/** Whether something has properties of its own, as JSON's objects and rows do: no list, no file, no date. */
function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !(value instanceof Blob || value instanceof Date || ArrayBuffer.isView(value));
}
