import { Kind } from "@sinclair/typebox";
import { type ValueError, ValueErrorType } from "@sinclair/typebox/value";
import type { InvalidFileType, ValidationError } from "elysia";
import type { InputProblem } from "./errors.ts";
import { isNumberText } from "./number-text.ts";
import {
  findErrors,
  findValueErrors,
  isTypeBoxSchema,
  type JsonSchema,
  CLOSED,
  PROBLEM,
  QUIET,
  TEXT_FORMS,
} from "./plain-schema.ts";
import { toHint } from "./suggestion.ts";

/** What TypeBox, or a Standard Schema, says of one value. */
interface Found {
  readonly path: string;
  readonly message?: string | undefined;
  readonly type?: ValueErrorType;
  readonly schema?: unknown;
  readonly value?: unknown;
}

const REQUIRED = { code: "required", message: "Required, but missing" } as const;
const NO_DATE = { code: "type", message: "Expected a date such as 2026-01-31T08:30:00Z" } as const;
const TYPE_NAMES = new Set(["String", "Number", "Integer", "Boolean", "Array", "Object", "Date", "Null"]);

/** Lists what is wrong with a request, one problem per place, worded for the person who sent it. */
export function toInputProblems(error: ValidationError): InputProblem[] {
  const all = error.all as unknown as readonly Found[];
  // "property" is what Elysia says when a coerced value breaks a rule: it no longer knows the part.
  if (error.type === "property") return toProblems("", all.slice(0, 1));
  const isTypeBox = all.every((found) => "schema" in found);
  return toProblems(`/${error.type}`, isTypeBox ? all : all.map(toPointer));
}

/**
 * Lists what is wrong with one part of a request, such as its query.
 *
 * @param part "query", "params", "headers" or "body"
 */
export function findPartProblems(part: string, schema: JsonSchema, value: unknown): InputProblem[] {
  const found = findValueErrors(schema, value);
  const repeated = part === "query" ? found.filter(isRepeated) : [];
  const others = found.filter((error) => !repeated.includes(error));
  return [
    ...repeated.map(({ path }) => ({
      path: `/query${path}`,
      code: "repeated",
      message: "Sent more than once",
    })),
    ...toProblems(`/${part}`, others),
  ];
}

/** Whether a list came where the schema knows of none. */
function isRepeated({ path, schema, value }: ValueError): boolean {
  return Array.isArray(value) && path.lastIndexOf("/") === 0 && !takesList(schema);
}

function takesList(schema: JsonSchema): boolean {
  return schema["type"] === "array" || (schema.anyOf?.some(takesList) ?? false);
}

/** Lists what is wrong with a value as it stands, at most 64 problems. Paths are JSON Pointers (RFC 6901) into it. */
export function findProblems(schema: JsonSchema, value: unknown): InputProblem[] {
  return toProblems("", findErrors(schema, value));
}

/** Says which files a route takes in the place of one whose content is something else. */
export function toFileProblem(error: InvalidFileType): InputProblem {
  const path = `/${error.property.replaceAll(".", "/")}`;
  return {
    path,
    code: "file_type",
    message: `Expected a file of type ${[error.expected].flat().join(" or ")}`,
  };
}

function toProblems(prefix: string, all: readonly Found[]): InputProblem[] {
  const problems = new Map<string, InputProblem>();
  const inner = all.flatMap(toInner);
  // Of an intersection, its parts have said what is wrong.
  const isWhole = (found: Found) => found.type === ValueErrorType.Intersect;
  for (const found of inner.every(isWhole) ? inner : inner.filter((one) => !isWhole(one))) {
    // Of several complaints about one value, the first is about its type.
    if (!problems.has(found.path)) problems.set(found.path, { path: prefix + found.path, ...toWords(found) });
  }
  return [...problems.values()];
}

/** Of a value that may be null as well, the rules of what it is otherwise say more than "expected value or null". */
function toInner(found: Found): Found[] {
  const { anyOf } = isTypeBoxSchema(found.schema) ? found.schema : ({} as JsonSchema);
  if (found.type !== ValueErrorType.Union || anyOf === undefined || found.value === undefined) return [found];
  const [real, ...others] = anyOf.filter((branch) => branch[Kind] !== "Null" && branch[Kind] !== "Undefined");
  if (real === undefined || others.length > 0 || anyOf.length === 1) return [found];
  const inner = findValueErrors(real, found.value);
  return inner.length === 0
    ? [{ ...found, schema: real }]
    : inner.map((error) => ({ ...error, path: found.path + error.path }));
}

/** Elysia joins the path of a Standard Schema's issue with dots, and calls the whole "root". */
function toPointer(found: Found): Found {
  const { path, message } = found;
  const pointer = path === "root" ? "" : `/${path.replaceAll(".", "/")}`;
  return { path: pointer, message, value: found.value };
}

function toWords(found: Found): Omit<InputProblem, "path"> {
  const schema = isTypeBoxSchema(found.schema) ? found.schema : ({} as JsonSchema);
  const words = toStandardWords(found, schema);
  // Elysia's `t.String({ error: "…" })`.
  return typeof schema["error"] === "string" ? { ...words, message: schema["error"] } : words;
}

function toStandardWords(found: Found, schema: JsonSchema): Omit<InputProblem, "path"> {
  if (found.value === undefined) return REQUIRED;
  const own = schema[PROBLEM]?.(found.value);
  if (own !== undefined) return own;
  if (Array.isArray(schema["enum"])) return { code: "invalid", message: describeChoice(schema["enum"]) };
  if (found.type === ValueErrorType.ObjectAdditionalProperties) return describeUnknown(found.path, schema);
  const kind = schema[Kind];
  if (kind === "Date" || schema.elysiaMeta === "Date") return NO_DATE;
  if (kind === "File" || kind === "Files") return { code: "type", message: describeFile(schema) };
  if (kind === "Unsafe")
    return { code: "invalid", message: `Not a valid ${String(schema["type"] ?? "value")}` };
  if (found.type === ValueErrorType.Union && schema.anyOf !== undefined) {
    // The real type of a coerced value says more than "expected union value".
    const [first] = findValueErrors(schema, toNumber(found.value, schema)).filter(({ path }) => path === "");
    if (first !== undefined && first.type !== ValueErrorType.Union) return toWords(first);
    return describeUnion(first?.schema.anyOf ?? schema.anyOf);
  }
  const isType = found.type !== undefined && TYPE_NAMES.has(ValueErrorType[found.type]);
  return { code: isType ? "type" : "invalid", message: found.message ?? "Not valid" };
}

/** A number of which text is taken as well is judged as a number. */
function toNumber(value: unknown, { anyOf }: JsonSchema): unknown {
  const takesText = anyOf?.some(({ type, format }) => type === "string" && format === "numeric") ?? false;
  return takesText && typeof value === "string" && isNumberText(value) ? Number(value) : value;
}

function describeUnknown(path: string, schema: JsonSchema): Omit<InputProblem, "path"> {
  const { properties = {}, [CLOSED]: readOnly } = schema;
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (Array.isArray(readOnly) && readOnly.includes(name))
    return { code: "read_only", message: "You can't set this" };
  const known = Object.keys(properties).filter((one) => properties[one]?.[QUIET] !== true);
  return { code: "unknown", message: `Unknown${toHint(name, known)}` };
}

function describeUnion(branches: readonly JsonSchema[]): Omit<InputProblem, "path"> {
  if (branches.every((branch) => "const" in branch)) {
    return { code: "invalid", message: describeChoice(branches.map((branch) => branch["const"] as unknown)) };
  }
  const real = branches.filter(({ type, format }) => type !== "string" || !TEXT_FORMS.has(String(format)));
  const names = real.map((branch) =>
    "const" in branch
      ? JSON.stringify(branch["const"])
      : String(branch["format"] ?? branch["type"] ?? "value"),
  );
  return { code: "type", message: `Expected ${[...new Set(names)].join(" or ")}` };
}

function describeChoice(values: readonly unknown[]): string {
  return `Expected one of ${values.map((value) => JSON.stringify(value)).join(", ")}`;
}

function describeCount({ minItems, maxItems }: Partial<Record<string, number>>): string {
  const counts = [minItems && `at least ${minItems}`, maxItems && `at most ${maxItems}`].filter(Boolean);
  return counts.length === 0 ? "a file" : `${counts.join(" and ")} files`;
}

function describeFile(schema: JsonSchema): string {
  const { type, extension, minSize, maxSize } = schema as Record<string, string | string[] | undefined>;
  const types = extension ?? type;
  const rules = [
    types === undefined || types === "string" || types === "array"
      ? ""
      : ` of type ${[types].flat().join(" or ")}`,
    minSize === undefined ? "" : `, at least ${String(minSize)}`,
    maxSize === undefined ? "" : `, at most ${String(maxSize)}`,
  ];
  return `Expected ${describeCount(schema)}${rules.join("")}`;
}
