import type { Column } from "drizzle-orm";
import { type ColumnKind, kindOf } from "../../db/schema/column-kind.ts";
import { isNumberText } from "../../errors/number-text.ts";
import { restoreText } from "../export/formula-text.ts";
import type { Format } from "./source.ts";
import { SheetNumber } from "./xlsx-source.ts";

const NUMBERS = new Set<ColumnKind["type"]>(["id", "integer", "bigint", "references"]);
const TEXTS = new Set<ColumnKind["type"]>(["text", "varchar", "enum"]);
const TRUE = new Set(["true", "yes", "1"]);
const FALSE = new Set(["false", "no", "0"]);
const DAY_MS = 86_400_000;
/** What Excel counts days from; it takes 1900 for a leap year, so that its first two months are a day off. */
const EPOCH_1900 = Date.UTC(1899, 11, 30);
const EPOCH_1904 = Date.UTC(1904, 0, 1);
const MAX_DAYS = 3_000_000;

/**
 * Reads a cell as its column has it. What can't be read stays as it is, for the schema to say what was expected.
 *
 * @returns undefined for what isn't given: an empty cell of a column that can't be null
 */
export function toValue(column: Column, cell: unknown, format: Format): unknown {
  if (format === "json" || cell === undefined) return cell === undefined ? toNothing(column, format) : cell;
  const { type } = kindOf(column);
  if (cell instanceof SheetNumber) return fromNumber(type, cell);
  if (typeof cell === "boolean") return type === "boolean" ? cell : String(cell);
  if (typeof cell !== "string") return cell;
  const text = format === "csv" && (TEXTS.has(type) || type === "json") ? restoreText(cell) : cell;
  if (text.trim() === "") return toNothing(column, format);
  return fromText(type, text);
}

function toNothing({ notNull }: Column, format: Format): unknown {
  return notNull || format === "json" ? undefined : null;
}

function fromText(type: ColumnKind["type"], text: string): unknown {
  if (TEXTS.has(type)) return text;
  const trimmed = text.trim();
  if (NUMBERS.has(type)) return isNumberText(trimmed) ? Number(trimmed) : text;
  if (type === "boolean") {
    const word = trimmed.toLowerCase();
    return TRUE.has(word) ? true : FALSE.has(word) ? false : text;
  }
  if (type !== "json") return trimmed;
  try {
    return JSON.parse(trimmed) as unknown;
  } catch {
    return text; // a text is JSON as well
  }
}

function fromNumber(type: ColumnKind["type"], { value, is1904 }: SheetNumber): unknown {
  if (NUMBERS.has(type) || type === "json") return value;
  if (type === "boolean") return value === 1 ? true : value === 0 ? false : value;
  if (type === "date" || type === "timestamp") {
    if (!(Math.abs(value) < MAX_DAYS)) return String(value);
    const moment = new Date((is1904 ? EPOCH_1904 : EPOCH_1900) + Math.round(value * DAY_MS));
    return type === "date" ? moment.toISOString().slice(0, 10) : moment.toISOString();
  }
  return toDecimal(value);
}

/** As a spreadsheet shows it: 0.1 + 0.2 is 0.3 there. */
function toDecimal(value: number): string {
  const text = String(Number(value.toPrecision(15)));
  return text.includes("e") && Math.abs(value) < 1e21 ? value.toFixed(20).replace(/\.?0+$/, "") : text;
}
