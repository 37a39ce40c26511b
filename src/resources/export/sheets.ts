import type { Column } from "drizzle-orm";
import { type ColumnKind, kindOf } from "../../db/schema/column-kind.ts";
import type { Row } from "../reading/expand.ts";
import { neutralise } from "./formula-text.ts";
import { type Cell, writeWorkbook } from "./workbook.ts";

/** Rows in pieces, as JSON has their values. */
export type Pieces = AsyncIterable<readonly Row[]>;

/** A column of a sheet. */
export interface SheetColumn {
  readonly name: string;
  readonly kind: ColumnKind["type"];
}

/** Rows that an XLSX sheet has room for, below its header. */
export const MAX_SHEET_ROWS = 1_048_575;
/** What Excel takes in a cell. */
const MAX_CELL_TEXT = 32_767;
const MAX_DIGITS = 15; // of a double
const RESERVED_NAME = "history"; // of a sheet, for Excel itself

/** Kinds whose values are no text of people's: no spreadsheet takes them for a formula. */
const PLAIN = new Set<ColumnKind["type"]>([
  "id",
  "integer",
  "bigint",
  "decimal",
  "references",
  "boolean",
  "timestamp",
  "date",
  "uuid",
  "file",
]);

export function toSheetColumns(
  names: readonly string[],
  columns: ReadonlyMap<string, Column>,
): SheetColumn[] {
  return names.flatMap((name) => {
    const column = columns.get(name);
    return column === undefined ? [] : [{ name, kind: kindOf(column).type }];
  });
}

/** Rows as CSV (RFC 4180), text that a spreadsheet would run made harmless. */
export async function* writeCsv(
  pieces: Pieces,
  columns: readonly SheetColumn[],
  { bom }: { readonly bom: boolean },
): AsyncGenerator<string> {
  const { unparse } = (await import("papaparse")).default;
  const options = { newline: "\r\n", header: false };
  const names = columns.map(({ name }) => neutralise(name));
  yield `${bom ? "\u{feff}" : ""}${unparse([names], options)}\r\n`;
  for await (const rows of pieces) {
    yield `${unparse(
      rows.map((row) => columns.map((column) => toCsvCell(column, row[column.name]))),
      options,
    )}\r\n`;
  }
}

function toCsvCell({ kind }: SheetColumn, value: unknown): unknown {
  if (value === null || value === undefined || PLAIN.has(kind)) return value;
  return neutralise(toText(value));
}

/** Rows as one JSON array, a row a line. */
export async function* writeJson(pieces: Pieces, columns: readonly SheetColumn[]): AsyncGenerator<string> {
  const pick = (row: Row): Row => Object.fromEntries(columns.map(({ name }) => [name, row[name]]));
  let before = "[\n";
  for await (const rows of pieces) {
    yield before + rows.map((row) => JSON.stringify(pick(row))).join(",\n");
    before = ",\n";
  }
  yield before === ",\n" ? "\n]\n" : "[]\n";
}

/** Rows as a sheet of XLSX: numbers are numbers, and days and moments are dates, of which Excel knows no time zone: in UTC. */
export function writeXlsx(
  pieces: Pieces,
  columns: readonly SheetColumn[],
  name: string,
): AsyncGenerator<Uint8Array> {
  return writeWorkbook({
    name: name === RESERVED_NAME ? "rows" : name.slice(0, 31),
    columns: columns.map(({ name: header, kind }) => ({ header, dates: kind === "date" ? "day" : "moment" })),
    pieces: toCells(pieces, columns),
  });
}

async function* toCells(pieces: Pieces, columns: readonly SheetColumn[]): AsyncGenerator<Cell[][]> {
  for await (const rows of pieces)
    yield rows.map((row) => columns.map((column) => toCell(column, row[column.name])));
}

function toCell({ kind }: SheetColumn, value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (kind === "boolean") return value as boolean;
  if (kind === "date" || kind === "timestamp") return toDate(value as string);
  if (typeof value === "number" || kind === "decimal") return toNumber(toText(value));
  return toText(value).slice(0, MAX_CELL_TEXT);
}

/** Excel knows no day before 1900. */
function toDate(text: string): Cell {
  return text < "1900-03-01" ? text : new Date(text);
}

/** A number of more digits than a double holds stays text. */
function toNumber(text: string): Cell {
  return text.replace(/\D/g, "").length > MAX_DIGITS ? text : Number(text);
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
