import { Kind, type TSchema, Type, TypeRegistry } from "@sinclair/typebox";
import type { Column } from "drizzle-orm";
import { t } from "elysia";
import { type ColumnKind, kindOf } from "../../db/schema/column-kind.ts";
import type { InputProblem } from "../../errors/errors.ts";
import { PROBLEM, TAKES_FILE } from "../../errors/plain-schema.ts";

type Problem = Omit<InputProblem, "path">;

/** What JSON Schema says of a value, beside how it is checked. */
type Keywords = Readonly<Record<string, unknown>>;

interface ColumnSchema {
  readonly [COLUMN]?: Column;
}

const COLUMN = Symbol("column");
const FILE_DESCRIPTION = "The id of an uploaded file; in a form (multipart/form-data), the file itself";
const GIVEN = "xcore/GivenValue";
const STORED = "xcore/StoredValue";
const MAX_INTEGER = 2 ** 31 - 1;
const MIN_INTEGER = -(2 ** 31);

TypeRegistry.Set(
  GIVEN,
  ({ [COLUMN]: column }: ColumnSchema, value) => column !== undefined && fits(column, value),
);
// What the database holds was checked when it was stored.
TypeRegistry.Set(STORED, ({ [COLUMN]: column }: ColumnSchema, value) =>
  column !== undefined && kindOf(column).type === "json" ? value !== undefined : typeof value === "string",
);

/** The schema of a column's values as rows have them, without null. */
export function toStoredSchema(column: Column): TSchema {
  return toSchema(column, STORED);
}

/** The schema of what may be given for a column, without null: what the database takes, and nothing else. */
export function toGivenSchema(column: Column): TSchema {
  const kind = kindOf(column);
  if (kind.type === "timestamp") return toMoment(kind);
  if (kind.type === "file") return { ...toSchema(column, GIVEN), [TAKES_FILE]: true };
  if (kind.type === "decimal") return Type.String({ pattern: toDecimalPattern(kind), ...toRule(kind) });
  return toSchema(column, GIVEN);
}

function toSchema(column: Column, check: typeof GIVEN | typeof STORED): TSchema {
  const kind = kindOf(column);
  const rule = toRule(kind);
  if (kind.type === "timestamp") return t.Date();
  if (kind.type === "boolean") return t.Boolean(rule);
  if (kind.type === "enum") return t.UnionEnum(kind.values as [string, ...string[]], rule);
  if (kind.type === "integer") return t.Integer({ minimum: MIN_INTEGER, maximum: MAX_INTEGER, ...rule });
  if (kind.type === "bigint" || kind.type === "id" || kind.type === "references") return t.Integer(rule);
  return Type.Unsafe({ ...toKeywords(kind), ...rule, [Kind]: check, [COLUMN]: column });
}

function toKeywords(kind: ColumnKind): Keywords {
  if (kind.type === "json") return {};
  if (kind.type === "file") return { type: "string", format: "uuid", description: FILE_DESCRIPTION };
  const format = kind.type === "uuid" || kind.type === "date" ? { format: kind.type } : {};
  const length = kind.type === "varchar" ? { maxLength: kind.length } : {};
  const pattern = kind.type === "decimal" ? { pattern: toDecimalPattern(kind) } : {};
  return { type: "string", ...format, ...length, ...pattern };
}

/** A moment as RFC 3339 writes it. */
function toMoment(kind: ColumnKind): TSchema {
  return Type.Transform(Type.String({ format: "date-time", ...toRule(kind) }))
    .Decode((text) => new Date(text))
    .Encode((date) => date.toISOString());
}

function toRule(kind: ColumnKind): { readonly [PROBLEM]: (value: unknown) => Problem } {
  return { [PROBLEM]: (value) => toProblem(kind, value) };
}

function fits(column: Column, value: unknown): boolean {
  const kind = kindOf(column);
  if (kind.type === "file" && value instanceof Blob) return true; // it is kept, and becomes an id, before it is written
  if (kind.type !== "json" && typeof value !== "string") return false;
  if (kind.type === "varchar" && !isWithin(value as string, kind.length)) return false;
  try {
    column.mapToDriverValue(value);
    return true;
  } catch {
    return false;
  }
}

/** As databases count: code points, of which a string has at least half as many as units. */
function isWithin(text: string, length: number): boolean {
  if (text.length <= length) return true;
  return text.length <= 2 * length && Array.from(text).length <= length;
}

function toDecimalPattern({
  precision,
  scale,
}: {
  readonly precision: number;
  readonly scale: number;
}): string {
  const whole = precision - scale;
  const digits = whole === 0 ? "0?" : `(0|[1-9]\\d{0,${whole - 1}})`;
  return scale === 0 ? `^-?${digits}$` : `^-?${digits}(\\.\\d{1,${scale}})?$`;
}

function toProblem(kind: ColumnKind, value: unknown): Problem {
  // It fits, and can't be stored all the same.
  if (kind.type === "varchar" && typeof value === "string" && isWithin(value, kind.length)) return UNSTORABLE;
  const isNumber = kind.type === "integer" || kind.type === "bigint" || kind.type === "references";
  const isType = kind.type === "json" || (isNumber ? Number.isInteger(value) : typeof value === "string");
  const { code, expected } = toWords(kind);
  return { code: isType ? code : "type", message: `Expected ${expected}` };
}

interface Words {
  readonly code: string;
  readonly expected: string;
}

const UNSTORABLE: Problem = {
  code: "invalid",
  message: "Expected text without the character U+0000, and without half of a character",
};

const WORDS: { readonly [Type in ColumnKind["type"]]?: Words } = {
  text: { code: "invalid", expected: "text without the character U+0000" },
  file: {
    code: "type",
    expected: "a file in a form (multipart/form-data), or the id of one that was uploaded",
  },
  uuid: { code: "uuid", expected: "a UUID such as 0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b" },
  integer: { code: "out_of_range", expected: `a whole number from ${MIN_INTEGER} to ${MAX_INTEGER}` },
  boolean: { code: "type", expected: "true or false" },
  timestamp: { code: "date_time", expected: "a moment such as 2026-01-31T08:30:00Z" },
  date: { code: "date", expected: "a day such as 2026-01-31" },
  json: { code: "invalid", expected: "JSON of at most 31 levels, without the character U+0000" },
};

function toWords(kind: ColumnKind): Words {
  if (kind.type === "varchar")
    return { code: "too_long", expected: `text of at most ${kind.length} characters` };
  if (kind.type === "enum") {
    const values = kind.values.map((value) => JSON.stringify(value)).join(", ");
    return { code: "one_of", expected: `one of ${values}` };
  }
  if (kind.type === "decimal") {
    const { precision, scale } = kind;
    const behind = scale === 0 ? "" : `, ${scale} of them behind the point`;
    const example = scale === 0 ? "12" : `12.${"50".padEnd(scale, "0").slice(0, scale)}`;
    return {
      code: "decimal",
      expected: `a decimal such as "${example}", of at most ${precision} digits${behind}`,
    };
  }
  return (
    WORDS[kind.type] ?? { code: "out_of_range", expected: `a whole number up to ${Number.MAX_SAFE_INTEGER}` }
  );
}
