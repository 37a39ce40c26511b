import { DatabaseError } from "../contract/database-error.ts";
import type { Cell, CopyDatabase, CopyPage, CopyTable, Key, Raw } from "./contract.ts";
import type { TablePair } from "./plan.ts";
import type { Passage } from "./values.ts";

/** Rows of a page, about: as many as make so many bytes. */
const PAGE_BYTES = 4_000_000;
const FIRST_PAGE = 1000;
const MAX_PAGE = 10_000;
const MASK = (1n << 64n) - 1n;

/** Rows that were read, as they are written, with their number and sum so far. */
export interface CopiedPage {
  readonly rows: readonly (readonly Cell[])[];
  readonly tally: Tally;
  readonly next: Key | null;
}

/** How many rows, and the sum of their hashes: the same in whatever order they come. */
export interface Tally {
  readonly rows: number;
  readonly sum: bigint;
}

export const NO_ROWS: Tally = { rows: 0, sum: 0n };

/** Reads the rows of a table from one on, a page ahead of whoever takes them, ready to be written. */
export async function* readForCopy(
  source: CopyDatabase,
  { from: table, passages }: TablePair,
  start: { readonly from: Key | null; readonly tally: Tally },
): AsyncGenerator<CopiedPage> {
  let { tally } = start;
  for await (const { rows, next } of readPages(source, table, start.from)) {
    const cells = decodeRows(rows, { table, passages, side: "decode", passed: tally.rows });
    tally = addUp(tally, cells, passages);
    yield { rows: encodeRows(cells, { table, passages, passed: tally.rows - rows.length }), tally, next };
  }
}

/** Reads a whole table again and adds it up: of the source, or of its copy. */
export async function tallyTable(
  database: CopyDatabase,
  { from, to, passages }: TablePair,
  side: "source" | "copy",
): Promise<Tally> {
  const table = side === "source" ? from : to;
  let tally = NO_ROWS;
  for await (const { rows } of readPages(database, table, null)) {
    const decoding = side === "source" ? ("decode" as const) : ("decodeCopy" as const);
    const cells = decodeRows(rows, { table, passages, side: decoding, passed: tally.rows });
    tally = addUp(tally, cells, passages);
  }
  return tally;
}

async function* readPages(database: CopyDatabase, table: CopyTable, start: Key | null) {
  let limit = FIRST_PAGE;
  let reading: Promise<CopyPage> | null = database.readPage(table, start, limit);
  while (reading !== null) {
    // oxlint-disable-next-line no-await-in-loop -- one page after another
    const page: CopyPage = await reading;
    limit = toLimit(page.rows);
    reading = page.next === null ? null : database.readPage(table, page.next, limit);
    // Whoever takes this page may give up: the next one fails for nobody then.
    reading?.catch(() => {});
    yield page;
  }
}

function toLimit(rows: readonly (readonly Raw[])[]): number {
  if (rows.length === 0) return FIRST_PAGE;
  let bytes = 0;
  for (const row of rows) for (const value of row) bytes += sizeOf(value);
  return Math.max(1, Math.min(MAX_PAGE, Math.floor((PAGE_BYTES * rows.length) / (bytes + 1))));
}

function sizeOf(value: Raw): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length + 8 : 8;
}

interface Place {
  readonly table: CopyTable;
  readonly passages: readonly Passage[];
  /** Rows before these. */
  readonly passed: number;
}

function decodeRows(
  rows: readonly (readonly Raw[])[],
  { side, ...place }: Place & { readonly side: "decode" | "decodeCopy" },
): Cell[][] {
  const decoders = place.passages.map((passage) => passage[side]);
  return convert<Raw>(rows, decoders, place);
}

function encodeRows(cells: readonly (readonly Cell[])[], place: Place): Cell[][] {
  const encoders = place.passages.map(({ encode }) => encode);
  return convert<Cell>(cells, encoders, place);
}

/** An error names the column and the row by its place, never the value. */
function convert<Value>(
  rows: readonly (readonly Value[])[],
  converters: readonly ((value: Value) => Cell)[],
  { table, passed }: Place,
): Cell[][] {
  let [row, column] = [0, 0];
  try {
    const converted: Cell[][] = [];
    for (row = 0; row < rows.length; row += 1) {
      const cells: Cell[] = [];
      for (column = 0; column < converters.length; column += 1) {
        cells.push(converters[column]?.(rows[row]?.[column] as Value) ?? null);
      }
      converted.push(cells);
    }
    return converted;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const { name } = table.columns[column] ?? { name: "" };
    throw new DatabaseError(
      "value",
      `Cannot copy "${table.name}"."${name}" of row ${passed + row + 1}, in the order of its key: ${error.message}`,
    );
  }
}

function addUp(
  { rows, sum }: Tally,
  cells: readonly (readonly Cell[])[],
  passages: readonly Passage[],
): Tally {
  let total = sum;
  for (const row of cells) {
    let text = "";
    for (let index = 0; index < row.length; index += 1) {
      const value = row[index] ?? null;
      const shown = value === null ? null : (passages[index]?.toComparable(value) ?? "");
      text += shown === null ? "n" : `${shown.length}:${shown}`;
    }
    total += Bun.hash.xxHash64(text);
  }
  return { rows: rows + cells.length, sum: total & MASK };
}
