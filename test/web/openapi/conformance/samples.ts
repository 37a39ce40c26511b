import type { ValidateFunction } from "ajv";
import Ajv2020 from "ajv/dist/2020";
import addFormats from "ajv-formats";
import { anyText, fc } from "../../../properties.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- schemas are what the document says
export type Schema = any;
type Made = fc.Arbitrary<unknown>;

const DAY = fc.date({ min: new Date("1970-01-01"), max: new Date("2100-01-01"), noInvalidDate: true });
const FORMATS: Readonly<Record<string, Made>> = {
  "date-time": DAY.map((date) => date.toISOString()),
  date: DAY.map((date) => date.toISOString().slice(0, 10)),
  uuid: fc.uuid(),
  email: fc.emailAddress(),
  uri: fc.webUrl(),
};
const ODD: Made = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0, 1.5, 1e300, "", "x", [], {}, [[]], "\0", "\uFEFF", "1e3"),
  anyText(300).map((text) => text.toWellFormed()),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Makes values that the schemas of a document allow, and values that they don't. */
export class Samples {
  readonly #ajv: Ajv2020;
  readonly #document: Schema;
  readonly #validators = new Map<Schema, ValidateFunction>();

  constructor(document: Schema) {
    this.#document = document;
    this.#ajv = new Ajv2020({ strict: false, validateFormats: true });
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
    this.#ajv.addSchema({ $id: "document", components: document.components });
  }

  /** What a value breaks of a schema; an empty list for one that it allows. */
  findFaults(schema: Schema, value: unknown): string[] {
    const validate = this.#validators.get(schema) ?? this.#ajv.compile(qualify(schema));
    this.#validators.set(schema, validate);
    if (validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  }

  /** Values as a schema describes them; its rules are kept where one value follows from one of them. */
  likely(schema: Schema): Made {
    return this.#make(schema, 0);
  }

  /** Values that a schema allows. */
  valid(schema: Schema): Made {
    return this.#make(schema, 0).filter((value) => this.findFaults(schema, value).length === 0);
  }

  /** Values of which something is wrong: all of it, or one part. */
  invalid(schema: Schema): Made {
    const { properties } = this.#resolve(schema);
    const names = Object.keys(properties ?? {});
    const broken =
      names.length === 0
        ? ODD
        : fc
            .tuple(this.#make(schema, 0), fc.constantFrom(...names), fc.oneof(ODD, fc.constant(undefined)))
            .map(
              ([value, name, odd]) =>
                JSON.parse(JSON.stringify({ ...(value as object), [name]: odd })) as unknown,
            );
    return fc
      .oneof({ weight: 5, arbitrary: broken }, ODD)
      .filter((value) => this.findFaults(schema, value).length > 0);
  }

  #resolve(schema: Schema): Schema {
    if (typeof schema?.$ref !== "string") return schema;
    const names = schema.$ref.replace(/^#\//, "").split("/") as string[];
    return this.#resolve(
      names.reduce((found, name) => found[name.replaceAll("~1", "/").replaceAll("~0", "~")], this.#document),
    );
  }

  #make(given: Schema, depth: number): Made {
    const schema = this.#resolve(given);
    if (schema === true || schema === undefined || depth > 4) return fc.jsonValue({ maxDepth: 1 });
    if ("const" in schema) return fc.constant(schema.const);
    if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]));
    const branches = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(branches))
      return fc.oneof(...branches.map((branch: Schema) => this.#make(branch, depth)));
    if (Array.isArray(schema.allOf))
      return fc
        .tuple(...schema.allOf.map((part: Schema) => this.#make(part, depth)))
        .map((parts) => Object.assign({}, ...parts) as unknown);
    const types = [schema.type ?? []].flat() as string[];
    if (types.length === 0)
      return schema.properties === undefined
        ? fc.jsonValue({ maxDepth: 1 })
        : this.#makeObject(schema, depth);
    return fc.oneof(...types.map((type) => this.#makeOf(type, schema, depth)));
  }

  #makeOf(type: string, schema: Schema, depth: number): Made {
    switch (type) {
      case "null":
        return fc.constant(null);
      case "boolean":
        return fc.boolean();
      case "integer":
        return fc.integer({
          min: Math.ceil(schema.minimum ?? -1000),
          max: Math.min(schema.maximum ?? 1000, 2 ** 31 - 1),
        });
      case "number":
        return fc.integer({
          min: Math.ceil(schema.minimum ?? -1000),
          max: Math.min(schema.maximum ?? 1000, 2 ** 31 - 1),
        });
      case "array": {
        const { minItems = 0, maxItems = 3 } = schema;
        return fc.array(this.#make(schema.items, depth + 1), {
          minLength: minItems,
          maxLength: Math.min(maxItems, minItems + 3),
        });
      }
      case "object":
        return this.#makeObject(schema, depth);
      default:
        return makeText(schema);
    }
  }

  #makeObject({ properties = {}, required = [], additionalProperties }: Schema, depth: number): Made {
    const parts = Object.fromEntries(
      Object.entries(properties).map(([name, part]) => [name, this.#make(part, depth + 1)]),
    );
    const needed = required.filter((name: string) => name in parts) as string[];
    // Now and then all that there is; mostly what is needed, and one thing more.
    const known = fc.oneof(
      fc.record(parts, { requiredKeys: needed }),
      ...Object.keys(parts).map((name) => fc.record(pick(parts, [...needed, name]))),
    );
    if (typeof additionalProperties !== "object") return known;
    const others = fc.dictionary(
      fc.stringMatching(/^[a-z]{1,6}$/),
      this.#make(additionalProperties, depth + 1),
      { maxKeys: 2 },
    );
    return fc.tuple(known, others).map(([some, more]) => ({ ...more, ...some }));
  }
}

function pick(parts: Readonly<Record<string, Made>>, names: readonly string[]): Record<string, Made> {
  return Object.fromEntries(names.map((name) => [name, parts[name] as Made]));
}

function makeText({ format, pattern, minLength = 0, maxLength = 60 }: Schema): Made {
  if (format !== undefined && FORMATS[format] !== undefined) return FORMATS[format];
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, "u"));
  const text = fc.oneof(
    fc.string({ unit: "grapheme", minLength, maxLength: Math.min(maxLength, minLength + 60) }),
    fc.stringMatching(/^[a-z]{1,9}$/),
  );
  return text.filter((made) => made.length >= minLength && made.length <= maxLength);
}

/** A schema whose references lead into the document. */
function qualify(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === "$ref" && typeof value === "string" ? value.replace(/^#/, "document#") : value,
  );
}
