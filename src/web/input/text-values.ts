import { Kind } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { isNumberText, toBigInt } from "../../errors/number-text.ts";
import { isTypeBoxSchema, type JsonSchema, TEXT_FORMS } from "../../errors/plain-schema.ts";
import { parseJson } from "./json-depth.ts";

/** What came under one name: text, or files of a form. */
export interface Sent {
  readonly values: readonly unknown[];
  /** Splits one of the values where a comma separates several. @default nothing is split */
  readonly split?: (index: number) => readonly string[];
}

/**
 * Reads what was sent as text, as a schema says: where that expects text, it stays what it is, and so does what can't be
 * read, for the check to refuse. Several values where one is expected stay a list, for the same reason.
 */
export type ReadSent = (sent: Sent) => unknown;

/** Kinds whose values aren't text, and have no form in it. */
const FILE_KINDS = new Set(["File", "Files", "ArrayBuffer", "Uint8Array"]);
const asSent: ReadSent = ({ values }) => (values.length === 1 ? values[0] : [...values]);

const made = new WeakMap<JsonSchema, ReadSent | null>();

/** Returns what reads the values of one schema; null where all of them stay as they were sent. */
export function readerOf(schema: JsonSchema): ReadSent | null {
  const known = made.get(schema);
  if (known !== undefined) return known;
  const reader = createReader(schema);
  made.set(schema, reader);
  return reader;
}

function createReader(schema: JsonSchema): ReadSent | null {
  const real = unwrap(schema);
  // Elysia's date reads its text itself, and would take a number for milliseconds.
  if (FILE_KINDS.has(real[Kind]) || real.elysiaMeta === "Date") return null;
  if (real[Kind] === "BigInt") return toOneReader(toBigInt);
  if (real.anyOf !== undefined) return toUnionReader(real.anyOf);
  if (Array.isArray(real["enum"])) return toOneReader((text) => readChoice(text, real["enum"] as unknown[]));
  const parts = partsOf(real);
  if (parts !== null) return parts.map(readerOf).find((read) => read !== null) ?? null;
  switch (real["type"]) {
    case "array":
      return toListReader(real);
    case "object":
      return toOneReader((text) => (text.startsWith("{") ? tryJson(text) : undefined));
    case "number":
    case "integer":
      return toOneReader((text) => (isNumberText(text) ? Number(text) : undefined));
    case "boolean":
      return toOneReader((text) => (text === "true" ? true : text === "false" ? false : undefined));
    default:
      return null;
  }
}

/** Finds the schema of a property of an object, whatever the object is put together from; undefined for none. */
export function propertyOf(schema: JsonSchema, key: string): JsonSchema | undefined {
  const real = unwrap(schema);
  const own = real.properties;
  if (own !== undefined && Object.hasOwn(own, key)) return own[key];
  for (const part of partsOf(real) ?? real.anyOf ?? []) {
    const found = propertyOf(part, key);
    if (found !== undefined) return found;
  }
  for (const [pattern, item] of Object.entries((real["patternProperties"] ?? {}) as Record<string, unknown>))
    if (isTypeBoxSchema(item) && new RegExp(pattern).test(key)) return item;
  const others: unknown = real["additionalProperties"];
  return isTypeBoxSchema(others) ? others : undefined;
}

/** Lists the names of the properties that a schema declares. */
export function propertyNames(schema: JsonSchema): string[] {
  const real = unwrap(schema);
  const own = Object.keys(real.properties ?? {});
  return [...new Set([...own, ...(partsOf(real) ?? real.anyOf ?? []).flatMap(propertyNames)])];
}

/**
 * Creates what reads the texts of a part of a request, such as its path, in place; null where all of them stay text.
 * Names that a schema has only a pattern for stay text as well.
 */
export function createPartReader(schema: JsonSchema): ((part: Record<string, unknown>) => object) | null {
  const typed = propertyNames(schema).flatMap((name) => {
    const read = readerOf(propertyOf(schema, name) ?? schema);
    return read === null ? [] : [[name, read] as const];
  });
  if (typed.length === 0) return null;
  return (part) => {
    for (const [name, read] of typed) {
      const value = part[name];
      if (typeof value === "string") part[name] = read({ values: [value] });
    }
    return part;
  };
}

/** Of a schema that is named, what the name stands for. */
function unwrap(schema: JsonSchema): JsonSchema {
  const { $ref, $defs } = schema as { $ref?: unknown; $defs?: Record<string, JsonSchema> };
  const found = typeof $ref === "string" ? $defs?.[$ref] : undefined;
  return found === undefined || found === schema ? schema : unwrap(found);
}

function partsOf(schema: JsonSchema): JsonSchema[] | null {
  return Array.isArray(schema["allOf"]) ? (schema["allOf"] as JsonSchema[]) : null;
}

function toOneReader(read: (text: string) => unknown): ReadSent {
  return (sent) => {
    const [only] = sent.values;
    if (sent.values.length !== 1 || typeof only !== "string") return asSent(sent);
    const value = read(only);
    return value === undefined ? only : value;
  };
}

/** Reads by the first branch that takes what it has read: `t.Union([t.Number(), t.String()])` makes a number of "1". */
function toUnionReader(branches: readonly JsonSchema[]): ReadSent | null {
  const known = branches.filter((branch) => !isOnlyTextForm(branch) && !isNothing(branch));
  const readers = known.map(readerOf);
  if (readers.every((read) => read === null)) return null;
  if (known.length === 1) return readers[0] ?? null;
  return (sent) => {
    for (const [index, branch] of known.entries()) {
      const value = (readers[index] ?? asSent)(sent);
      if (takes(branch, value)) return value;
    }
    // What is nearest to one of them says best what is wrong with it.
    return readers.map((read) => read?.(sent)).find((value) => typeof value !== "string") ?? asSent(sent);
  };
}

/** The text form that a type of Elysia adds to what it really is. */
function isOnlyTextForm({ type, format }: JsonSchema): boolean {
  return type === "string" && TEXT_FORMS.has(String(format));
}

function isNothing(schema: JsonSchema): boolean {
  return schema[Kind] === "Null" || schema[Kind] === "Undefined";
}

function takes(schema: JsonSchema, value: unknown): boolean {
  try {
    return Value.Check(schema, value);
  } catch {
    return false; // a reference whose definition isn't at hand
  }
}

function isText(schema: JsonSchema): boolean {
  const real = unwrap(schema);
  return real.anyOf === undefined ? real["type"] === "string" : real.anyOf.every(isText);
}

/** One value of the name is one entry, unless it is JSON of a list. */
function toListReader(schema: JsonSchema): ReadSent {
  const items: unknown = schema.items;
  const itemReaders = Array.isArray(items)
    ? (items as JsonSchema[]).map(readerOf)
    : isTypeBoxSchema(items)
      ? readerOf(items)
      : null;
  const isOfText = !Array.isArray(items) && isTypeBoxSchema(items) && isText(items);
  const readItem = (value: unknown, at: number) =>
    ((Array.isArray(itemReaders) ? itemReaders[at] : itemReaders) ?? asSent)({ values: [value] });
  return ({ values, split }) => {
    const found: unknown[] = [];
    for (const [index, value] of values.entries()) {
      const list = typeof value === "string" ? readList(value, isOfText) : null;
      if (list === null) {
        for (const one of split?.(index) ?? [value]) found.push(readItem(one, found.length));
      } else for (const one of list) found.push(one);
    }
    return found;
  };
}

/** The entries of JSON of a list, or of several objects; null for what is text. */
function readList(text: string, isOfText: boolean): readonly unknown[] | null {
  const isObjects = text.startsWith("{") && !isOfText;
  if (!isObjects && !text.startsWith("[")) return null;
  const list = tryJson(isObjects ? `[${text}]` : text);
  if (!Array.isArray(list)) return null;
  return isOfText && !list.every((entry) => typeof entry === "string") ? null : (list as unknown[]);
}

function readChoice(text: string, choices: readonly unknown[]): unknown {
  if (choices.includes(text)) return text;
  if (isNumberText(text) && choices.includes(Number(text))) return Number(text);
  return undefined;
}

/** @throws AppError nested_too_deep; text that isn't JSON is undefined */
function tryJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if ((error as { code?: unknown }).code === "nested_too_deep") throw error;
    return undefined;
  }
}
