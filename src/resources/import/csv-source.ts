import { assertHeader, type ImportFile, type Source, type SourceRow, unreadable } from "./source.ts";
import { decodeText } from "./text.ts";

/** What papaparse's parser gives for a text: rows, and how far they reach. */
interface Parsed {
  readonly data: readonly (readonly string[])[];
  readonly errors: readonly { readonly code: string; readonly row: number }[];
  readonly meta: { readonly cursor: number };
}

const LINE_END = /\r\n?/g;
const QUOTED = /"[^"]*"/g;
const DELIMITERS = [",", ";", "\t", "|"];
/** Characters of a row: of a quote that isn't closed, all that follows is one. */
const MAX_ROW = 1024 * 1024;
const SAMPLE = 64 * 1024; // characters

/**
 * Reads CSV with names of columns in its first row, with commas, semicolons, tabs or bars between its cells. Ends of lines are
 * those of any system; within a cell they become "\n".
 *
 * @throws AppError validation_error
 */
export async function readCsv(file: ImportFile): Promise<Source> {
  let part = 0;
  const rows = parseRows(decodeText(file, (now) => (part = now)));
  const first = await rows.next();
  const [head, ...others] = first.done === true ? [] : first.value;
  if (head === undefined) throw unreadable("it is empty");
  const header = assertHeader(head.cells.map((name) => name.trim()));
  async function* toPieces(): AsyncGenerator<SourceRow[]> {
    if (others.length > 0) yield others;
    yield* rows;
  }
  return { header, pieces: toPieces(), readPart: () => part };
}

interface TextRow extends SourceRow {
  readonly cells: readonly string[];
}

async function* parseRows(texts: Iterator<string>): AsyncGenerator<TextRow[]> {
  const { default: papa } = await import("papaparse");
  let parser: InstanceType<typeof papa.Parser> | null = null;
  let rest = "";
  let line = 1;
  for (let isLast = false; !isLast;) {
    const { done = false, value = "" } = texts.next() as IteratorResult<string, string | undefined>;
    isLast = done;
    // The second half of an end of a line may be still to come.
    const isCut = !isLast && value.endsWith("\r");
    const text = (rest + (isCut ? value.slice(0, -1) : value)).replaceAll(LINE_END, "\n");
    parser ??= new papa.Parser({ delimiter: guessDelimiter(text.slice(0, SAMPLE)), newline: "\n" });
    const { data, errors, meta } = parser.parse(text, 0, !isLast) as Parsed;
    if (isLast && errors.some(({ code }) => code === "MissingQuotes"))
      throw unreadable(
        `a quote that is opened at line ${line + Math.max(data.length - 1, 0)} or below isn't closed`,
      );
    const rows: TextRow[] = [];
    for (const cells of data) {
      if (cells.length > 1 || (cells[0] ?? "").trim() !== "") rows.push({ line, cells });
      line += 1 + countLineEnds(cells);
    }
    rest = isLast ? "" : text.slice(meta.cursor) + (isCut ? "\r" : "");
    if (rest.length > MAX_ROW)
      throw unreadable(`the row at line ${line} is too long: a quote may not be closed`);
    if (rows.length > 0) yield rows;
  }
}

/** The one of which the first row has most, outside of quotes. */
function guessDelimiter(text: string): string {
  const [head = ""] = text.replaceAll(QUOTED, "").split("\n", 1);
  const count = (delimiter: string): number => head.split(delimiter).length;
  return DELIMITERS.toSorted((a, b) => count(b) - count(a))[0] ?? ",";
}

function countLineEnds(cells: readonly string[]): number {
  let count = 0;
  for (const cell of cells) {
    for (let at = cell.indexOf("\n"); at !== -1; at = cell.indexOf("\n", at + 1)) count += 1;
  }
  return count;
}
