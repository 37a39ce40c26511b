import { type Names, toKey, toLiteral, toPascalCase } from "./names.ts";

export type Json = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 40;
const REFERENCE = "#/components/schemas/";
const PLAIN: Readonly<Record<string, string>> = {
  string: "string",
  number: "number",
  integer: "number",
  boolean: "boolean",
  null: "null",
};

/** Writes the types of TypeScript that schemas of an OpenAPI document stand for. */
export class TypeWriter {
  readonly #schemas: Json;
  /** By the name of a schema that others refer to. */
  readonly #names = new Map<string, string>();

  constructor(schemas: Json, names: Names) {
    this.#schemas = schemas;
    for (const name of Object.keys(schemas).toSorted()) {
      if (name !== "Problem") this.#names.set(name, names.take(toPascalCase(name)));
    }
  }

  /** The declarations of the schemas that others refer to. */
  declarations(): string[] {
    return [...this.#names].map(([name, type]) => {
      const isEndless = this.#leadsTo(this.#schemas[name], name, new Set());
      return `export type ${type} = ${isEndless ? "unknown" : this.write(this.#schemas[name])};`;
    });
  }

  write(schema: unknown, depth = 0): string {
    if (!isJson(schema) || depth > MAX_DEPTH) return "unknown";
    const { $ref, enum: values, anyOf, oneOf, allOf } = schema;
    if (typeof $ref === "string") return this.#toReference($ref);
    if ("const" in schema) return toConstant(schema["const"]);
    if (Array.isArray(values)) return toUnion(values.map(toConstant));
    const parts = [anyOf, oneOf].flatMap((list) =>
      Array.isArray(list) ? [toUnion(list.map((one) => this.write(one, depth + 1)))] : [],
    );
    if (Array.isArray(allOf)) parts.push(...allOf.map((one) => this.write(one, depth + 1)));
    const own = this.#writeOwn(schema, depth);
    if (own !== "unknown" || parts.length === 0) parts.push(own);
    return toIntersection(parts);
  }

  #toReference($ref: string): string {
    const name = $ref.startsWith(REFERENCE) ? toReferredName($ref) : "";
    return name === "Problem" ? "Problem" : (this.#names.get(name) ?? "unknown");
  }

  #writeOwn(schema: Json, depth: number): string {
    const { type } = schema;
    if (Array.isArray(type))
      return toUnion(type.map((one) => this.#writeOwn({ ...schema, type: one }, depth)));
    if (type === "string" && schema["format"] === "binary") return "Blob";
    if (type === "array") return this.#writeArray(schema, depth);
    if (type === "object" || (type === undefined && isJson(schema["properties"])))
      return this.#writeObject(schema, depth);
    return typeof type === "string" && Object.hasOwn(PLAIN, type) ? (PLAIN[type] as string) : "unknown";
  }

  #writeArray({ items, prefixItems }: Json, depth: number): string {
    if (Array.isArray(prefixItems))
      return `[${prefixItems.map((one) => this.write(one, depth + 1)).join(", ")}]`;
    return `(${this.write(items, depth + 1)})[]`;
  }

  #writeObject(
    { properties, required, additionalProperties: others, patternProperties }: Json,
    depth: number,
  ): string {
    const needed = new Set(Array.isArray(required) ? required : []);
    const fields = Object.entries(isJson(properties) ? properties : {}).map(
      ([name, schema]) => `${toKey(name)}${needed.has(name) ? "" : "?"}: ${this.write(schema, depth + 1)}`,
    );
    const whole = fields.length === 0 ? [] : [`{ ${fields.join("; ")} }`];
    const other = isJson(others)
      ? others
      : Object.values(isJson(patternProperties) ? patternProperties : {})[0];
    if (other !== undefined && fields.length === 0)
      whole.push(`{ [name: string]: ${this.write(other, depth + 1)} }`);
    // Beside fields of other types, an index has to take them too.
    else if (others === true || other !== undefined || fields.length === 0)
      whole.push("{ [name: string]: unknown }");
    return toIntersection(whole);
  }

  /** Whether a type is made of itself alone, which TypeScript takes for none. */
  #leadsTo(schema: unknown, name: string, seen: Set<unknown>): boolean {
    if (!isJson(schema) || seen.has(schema)) return false;
    seen.add(schema);
    const { $ref, anyOf, oneOf, allOf } = schema;
    if (typeof $ref === "string") {
      const other = toReferredName($ref);
      return other === name || this.#leadsTo(this.#schemas[other], name, seen);
    }
    const branches = [anyOf, oneOf, allOf].flatMap((list) => (Array.isArray(list) ? list : []));
    return branches.some((one) => this.#leadsTo(one, name, seen));
  }
}

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function toReferredName($ref: string): string {
  return $ref.slice(REFERENCE.length).replaceAll("~1", "/").replaceAll("~0", "~");
}

function toConstant(value: unknown): string {
  const isPlain = value === null || ["string", "number", "boolean"].includes(typeof value);
  return isPlain ? toLiteral(value as string | number | boolean | null) : "unknown";
}

function toUnion(types: readonly string[]): string {
  const unique = [...new Set(types)];
  if (unique.length === 0) return "never";
  if (unique.includes("unknown")) return "unknown";
  return unique.length === 1 ? (unique[0] as string) : `(${unique.join(" | ")})`;
}

function toIntersection(types: readonly string[]): string {
  const unique = [...new Set(types)].filter((type, _, all) => type !== "unknown" || all.length === 1);
  return unique.length === 1 ? (unique[0] as string) : `(${unique.join(" & ")})`;
}
