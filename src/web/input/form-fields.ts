import { fail } from "../../errors/codes.ts";
import { isTypeBoxSchema, type JsonSchema } from "../../errors/plain-schema.ts";
import { MAX_JSON_DEPTH, tooDeep } from "./json-depth.ts";
import { decodeText, splitPairs } from "./text-pairs.ts";
import { propertyOf, readerOf } from "./text-values.ts";

type Fields = Record<string, unknown>;

/** Entries that the list of a form may have: `images[7]` makes room for no more than follow one another. */
const MAX_INDEX = 1000;
const UNSAFE = new Set(["__proto__", "constructor", "prototype"]);

/** Fields that a form may have: each costs more than its bytes, and a million of them held the server for ten seconds. */
const MAX_FIELDS = 10_000;

/** Values of a form by the names of its fields, which may come several times. */
type Grouped = ReadonlyMap<string, readonly unknown[]>;

/**
 * Brings together the values of each field of a multipart form.
 *
 * @throws AppError payload_too_large
 */
export function groupFields(form: FormData): Grouped {
  const group = new Group();
  form.forEach((value, name) => group.add(name, value));
  return group.values;
}

/**
 * Reads a form of pairs such as "a=1&b=2".
 *
 * @throws AppError payload_too_large
 */
export function groupPairs(text: string): Grouped {
  const group = new Group();
  splitPairs(text, 0, (name, value) => group.add(name, decodeText(value)));
  return group.values;
}

class Group {
  readonly values = new Map<string, unknown[]>();
  #count = 0;

  add(name: string, value: unknown): void {
    this.#count += 1;
    if (this.#count > MAX_FIELDS) {
      throw fail("payload_too_large", `Cannot read the form: it has more than ${MAX_FIELDS} fields`);
    }
    const all = this.values.get(name);
    if (all === undefined) this.values.set(name, [value]);
    else all.push(value);
  }
}

/**
 * Returns the fields of a form as they were sent: text stays text, except where the schema says that a field is a number,
 * a boolean, an object or an array. A name such as "user.avatar" or "images[0]" is the way to a value within another only
 * where the schema has the first of its parts.
 *
 * @throws AppError nested_too_deep, parse_error
 */
export function toFields(grouped: Grouped, schema: unknown): Fields {
  const rule = isTypeBoxSchema(schema) ? schema : null;
  const fields: Fields = {};
  for (const [name, values] of grouped) {
    const path = rule === null || propertyOf(rule, name) !== undefined ? [name] : toPath(name, rule);
    if (path.length > MAX_JSON_DEPTH) throw tooDeep("a field");
    if (path.some((key) => UNSAFE.has(key))) continue;
    setAt(fields, path, toValue(values, ruleAt(rule, path)));
  }
  return fields;
}

/** The way to a value that a name means, by dots and brackets; the name alone where the schema knows no such way. */
function toPath(name: string, rule: JsonSchema): string[] {
  const [first, ...rest] = name.replaceAll(/\[(\d+)\]/g, ".$1").split(".");
  return first === undefined || rest.length === 0 || propertyOf(rule, first) === undefined
    ? [name]
    : [first, ...rest];
}

function ruleAt(rule: JsonSchema | null, path: readonly string[]): JsonSchema | undefined {
  return path.reduce<JsonSchema | undefined>(
    (found, key) => (found === undefined ? undefined : (propertyOf(found, key) ?? itemsOf(found))),
    rule ?? undefined,
  );
}

function itemsOf(rule: JsonSchema): JsonSchema | undefined {
  const list = [rule, ...(rule.anyOf ?? [])].find((branch) => isTypeBoxSchema(branch.items));
  return list?.items;
}

function toValue(values: readonly unknown[], rule: JsonSchema | undefined): unknown {
  const read = rule === undefined ? null : readerOf(rule);
  if (read !== null) return read({ values });
  return values.length === 1 ? values[0] : values;
}

function setAt(fields: Fields, path: readonly string[], value: unknown): void {
  let current: Fields = fields;
  path.forEach((key, at) => {
    if (Array.isArray(current) && !isNextIndex(current, key)) {
      throw fail("parse_error", `Cannot read the form: "${path.join(".")}" leaves a gap in a list`);
    }
    if (at === path.length - 1) {
      current[key] = value;
      return;
    }
    const known = current[key];
    const isContainer = typeof known === "object" && known !== null && !(known instanceof Blob);
    if (!isContainer) current[key] = /^\d+$/.test(path[at + 1] ?? "") ? [] : {};
    current = current[key] as Fields;
  });
}

function isNextIndex(list: readonly unknown[], key: string): boolean {
  return /^\d{1,4}$/.test(key) && Number(key) <= list.length && Number(key) < MAX_INDEX;
}
