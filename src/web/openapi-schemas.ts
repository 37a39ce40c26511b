import { TEXT_FORMS } from "../errors/plain-schema.ts";
import type { Json } from "./openapi.ts";

const MODEL = "#/components/schemas/";
/** Values of these keys are data, whatever they look like. */
const DATA_KEYS = new Set(["default", "example", "examples", "enum", "const"]);
/** What Elysia or TypeBox write beside JSON Schema. */
const FOREIGN_KEYS = new Set(["nullable", "elysiaMeta", "$id"]);

/**
 * Makes what Elysia says of an app's routes fit for a document that other apps share: models carry the app's
 * name, schemas that refer to themselves become models, and a value has its real type instead of "a number, or
 * its text form".
 */
export class SchemaRewriter {
  readonly #app: string;
  /** Models by the name that references use. */
  readonly models: Record<string, unknown> = {};

  /** @param app name to set the models apart with */
  constructor(app: string) {
    this.#app = app;
  }

  addModel(name: string, schema: Json): void {
    this.models[this.#name(name)] = this.#rewriteObject(schema);
  }

  rewrite(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.rewrite(item));
    if (!isObject(value)) return value;
    const { $id } = value;
    if (typeof $id !== "string") return this.#rewriteObject(value);
    const name = this.#name($id);
    if (!(name in this.models)) {
      this.models[name] = null; // its own references need not look further
      this.models[name] = this.#rewriteObject(value);
    }
    return { $ref: MODEL + name };
  }

  #rewriteObject(value: Json): unknown {
    if (Array.isArray(value["anyOf"])) {
      const branches = realBranches(value["anyOf"].filter(isObject));
      const { anyOf: _, ...rest } = value;
      if (branches.length === 1) return this.#rewriteObject({ ...rest, ...branches[0] });
    }
    const rewritten: Json = {};
    for (const [key, item] of Object.entries(value)) {
      if (FOREIGN_KEYS.has(key) || (key === "default" && isFileDefault(item))) continue;
      rewritten[key] = this.#rewriteKey(key, item);
    }
    return rewritten;
  }

  #rewriteKey(key: string, value: unknown): unknown {
    if (DATA_KEYS.has(key)) return value;
    if (key === "$ref" && typeof value === "string") return this.#rewriteReference(value);
    if (key !== "properties" || !isObject(value)) return this.rewrite(value);
    return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, this.rewrite(schema)]));
  }

  #rewriteReference(reference: string): string {
    const isModel = reference.startsWith(MODEL) || !/[#/]/.test(reference);
    return isModel && reference !== `${MODEL}Problem` ? MODEL + this.#name(reference) : reference;
  }

  #name(reference: string): string {
    return `${this.#app}.${reference.replace(MODEL, "")}`;
  }
}

/** Leaves out the text forms that Elysia accepts for a value of another type. */
function realBranches(branches: readonly Json[]): readonly Json[] {
  const isDate = branches.length > 1 && branches.every(({ type, format }) => isDateForm(type, format));
  if (isDate) return branches.filter(({ format }) => format === "date-time").slice(0, 1);
  return branches.filter(({ type, format }) => type !== "string" || !TEXT_FORMS.has(String(format)));
}

function isDateForm(type: unknown, format: unknown): boolean {
  return type === "number" || (type === "string" && (format === "date-time" || format === "date"));
}

function isFileDefault(value: unknown): boolean {
  return value === "File" || value === "Files";
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
