import { parseQuery } from "elysia/parse-query";
import { fail } from "../../errors/codes.ts";
import { isNumberText } from "../../errors/number-text.ts";
import { isTypeBoxSchema, type JsonSchema } from "../../errors/plain-schema.ts";
import { parseJson } from "./json-depth.ts";

type Fields = Record<string, unknown>;

/** Entries that the list of a form may have: `images[7]` makes room for no more than follow one another. */
const MAX_INDEX = 1000;
const UNSAFE = new Set(["__proto__", "constructor", "prototype"]);

/** Values of a form by the names of its fields, which may come several times. */
type Grouped = ReadonlyMap<string, readonly unknown[]>;

/** Brings together the values of each field of a multipart form. */
export function groupFields(form: FormData): Grouped {
  const grouped = new Map<string, unknown[]>();
  form.forEach((value, name) => {
    const all = grouped.get(name);
    if (all === undefined) grouped.set(name, [value]);
    else all.push(value);
  });
  return grouped;
}

/** Reads a form of pairs such as "a=1&b=2". */
export function groupPairs(text: string): Grouped {
  return new Map(Object.entries(parseQuery(text)).map(([name, value]) => [name, [value].flat()]));
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
    const path = rule === null || rule.properties?.[name] !== undefined ? [name] : toPath(name, rule);
    if (path.some((key) => UNSAFE.has(key))) continue;
    setAt(fields, path, toValue(values, ruleAt(rule, path)));
  }
  return fields;
}

/** The way to a value that a name means, by dots and brackets; the name alone where the schema knows no such way. */
function toPath(name: string, rule: JsonSchema): string[] {
  const [first, ...rest] = name.replaceAll(/\[(\d+)\]/g, ".$1").split(".");
  return first === undefined || rest.length === 0 || rule.properties?.[first] === undefined
    ? [name]
    : [first, ...rest];
}

function ruleAt(rule: JsonSchema | null, path: readonly string[]): JsonSchema | undefined {
  return path.reduce<JsonSchema | undefined>((found, key) => {
    const branches = [found, ...(found?.anyOf ?? [])];
    return branches.map((branch) => branch?.properties?.[key] ?? itemsOf(branch)).find(Boolean);
  }, rule ?? undefined);
}

function itemsOf(rule: JsonSchema | undefined): JsonSchema | undefined {
  return isTypeBoxSchema(rule?.items) ? rule.items : undefined;
}

function toValue(values: readonly unknown[], rule: JsonSchema | undefined): unknown {
  const [only] = values;
  const isSingle = values.length === 1;
  if (rule === undefined) return isSingle ? only : values;
  const types = typesOf(rule);
  const isList = types.has("array") && !types.has("string") && !(isSingle && only instanceof Blob);
  if (isSingle && !isList) return toTyped(only, types);
  if (isSingle && typeof only === "string" && /^[[{]/.test(only)) return toList(only, types, itemsOf(rule));
  const items = typesOf(itemsOf(rule) ?? rule);
  return values.map((value) => toTyped(value, items));
}

/** Reads JSON of a list; text that only looks like it is the one entry of a list of texts. */
function toList(text: string, types: ReadonlySet<string>, items: JsonSchema | undefined): unknown {
  if (text.startsWith("{") && !types.has("object")) return [toTyped(text, typesOf(items ?? {}))];
  const takesText = items !== undefined && typesOf(items).has("string");
  return takesText && !isJson(text) ? [text] : parseJson(text);
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}

/** Reads the text form of what isn't text, where it is expected. */
function toTyped(value: unknown, types: ReadonlySet<string>): unknown {
  if (typeof value !== "string" || types.has("string")) return value;
  if ((types.has("number") || types.has("integer")) && isNumberText(value)) return Number(value);
  if (types.has("boolean") && (value === "true" || value === "false")) return value === "true";
  const isExpected =
    (value.startsWith("{") && types.has("object")) || (value.startsWith("[") && types.has("array"));
  return isExpected ? parseJson(value) : value;
}

/** JSON's types of the values that a schema takes; the text form that Elysia adds to an object isn't one of them. */
function typesOf(rule: Partial<JsonSchema>): Set<string> {
  const branches = rule.anyOf ?? [rule];
  const isCoerced = rule.elysiaMeta !== undefined;
  const types = branches.flatMap((branch: Partial<JsonSchema>): string[] => {
    if (branch.anyOf !== undefined) return [...typesOf(branch)];
    const type = branch["type"] as string | undefined;
    return type === undefined || (isCoerced && type === "string") ? [] : [type];
  });
  // Files are arrays, and Elysia describes a file as text.
  return new Set(types);
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
