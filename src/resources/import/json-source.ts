import { parseJson } from "../../web/input/json-depth.ts";
import { assertHeader, type ImportFile, type Source, type SourceRow, unreadable } from "./source.ts";
import { decodeText } from "./text.ts";

type Item = Readonly<Record<string, unknown>>;

const PIECE = 1000; // rows

/** Reads a list of objects, each a row. @throws AppError parse_error, nested_too_deep, validation_error */
export function readJson({ bytes, charset }: ImportFile): Source {
  const items = parseJson([...decodeText(bytes, charset)].join(""));
  if (!Array.isArray(items)) throw unreadable("expected a list of objects, as in [{ … }, { … }]");
  const names = new Set<string>();
  for (const [at, item] of items.entries()) {
    if (!isItem(item)) throw unreadable(`entry ${at + 1} of the list isn't an object`);
    for (const name of Object.keys(item)) names.add(name);
  }
  const header = assertHeader(items.length === 0 ? ["id"] : [...names]);
  return { header, pieces: toPieces(items as Item[], header) };
}

async function* toPieces(items: readonly Item[], header: readonly string[]): AsyncGenerator<SourceRow[]> {
  for (let from = 0; from < items.length; from += PIECE) {
    yield items.slice(from, from + PIECE).map((item, at) => ({
      line: from + at + 1,
      cells: header.map((name) => (Object.hasOwn(item, name) ? item[name] : undefined)),
    }));
  }
}

function isItem(value: unknown): value is Item {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
