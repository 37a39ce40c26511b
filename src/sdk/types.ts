import { FormatRegistry } from "@sinclair/typebox";
import { t } from "elysia";
import { isNumberText } from "../errors/number-text.ts";

type Schema = Record<string, unknown>;
type Maker = (...args: unknown[]) => Schema;

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[zZ]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Mends Elysia's `t` and its formats, for plugins and for what Elysia makes of their schemas itself: a value arrives as it
 * was sent, or is refused.
 *
 * - Dates are those of RFC 3339: Elysia takes "1/2/2026", a time of the server's zone, and the 30th of February for the
 *   2nd of March. Numbers are those of JSON: it takes " 12 ", "0x10" and " ", which is 0.
 * - No value is invented where none was sent: Elysia gives types defaults "for generating error messages", and
 *   answers with the first choice of `t.UnionEnum`, a list of three numbers, or the text "File".
 */
export function mendTypes(): void {
  FormatRegistry.Set("date", isDay);
  FormatRegistry.Set("date-time", isMoment);
  FormatRegistry.Set("numeric", isNumberText);
  FormatRegistry.Set("integer", (text) => isNumberText(text) && Number.isSafeInteger(Number(text)));
  const types = t as unknown as Record<string, Maker>;
  for (const name of ["UnionEnum", "ArrayBuffer", "File", "Files"] as const) {
    const make = types[name] as Maker;
    const options = name === "UnionEnum" ? 1 : 0;
    types[name] = (...args) => withoutInvented(make(...args), args[options]);
  }
  for (const name of ["Numeric", "Integer", "NumericEnum", "BooleanString"] as const) {
    const make = types[name] as Maker;
    types[name] = (...args) => withoutTextDefault(make(...args));
  }
  const makeDate = types["Date"] as Maker;
  // Without the mark, Elysia makes of the number of a date in JSON one in text as well: "2026" would be a day of 1970.
  types["Date"] = (...args) => Object.assign(makeDate(...args), { elysiaMeta: "Date" });
}

function isDay(text: string): boolean {
  const [, year, month, day] = DAY.exec(text) ?? [];
  const time = Date.UTC(Number(year), Number(month) - 1, Number(day));
  return day !== undefined && new Date(time).toISOString().startsWith(text);
}

/** Of RFC 3339, 5.6; the "+" before a zone may have become a space, as it does in a query. */
function isMoment(text: string): boolean {
  const separator = text.charAt(10);
  if (separator !== "T" && separator !== "t") return false;
  const time = text.slice(11).replace(/ (?=\d\d:\d\d$)/, "+");
  return isDay(text.slice(0, 10)) && TIME.test(time);
}

function withoutInvented(schema: Schema, options: unknown): Schema {
  const given = (options ?? {}) as Schema;
  if (!("default" in given)) delete schema["default"];
  const items = schema["items"] as Schema | undefined;
  if (items !== undefined && !("default" in given)) delete items["default"];
  return schema;
}

/** The default of the text form, which is never used: Elysia sees one, and gives a list where an object belongs its keys. */
function withoutTextDefault(schema: Schema): Schema {
  for (const branch of (schema["anyOf"] ?? []) as Schema[]) {
    if (branch["type"] === "string") delete branch["default"];
  }
  return schema;
}
