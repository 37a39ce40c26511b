import { parseJson } from "../../web/input/json-depth.ts";
import { assertHeader, type ImportFile, type Source, type SourceRow, unreadable } from "./source.ts";
import { decodeText } from "./text.ts";

type Item = Readonly<Record<string, unknown>>;

const PIECE = 1000; // rows

/** Reads a list of objects, each a row. @throws AppError parse_error, nested_too_deep, validation_error */
export function readJson(file: ImportFile): Source {
  const items = parseJson([...decodeText(file)].join(""));
  if (!Array.isArray(items)) throw unreadable("expected a list of objects, as in [{ … }, { … }]");
  const names = new Set<string>();
  for (const [at, item] of items.entries()) {
    if (!isItem(item)) throw unreadable(`entry ${at + 1} of the list isn't an object`);
    for (const name of Object.keys(item)) names.add(name);
  }
  const header = assertHeader(items.length === 0 ? ["id"] : [...names]);
  let part = 0;
  const pieces = toPieces(items as Item[], { header, onPart: (now) => (part = now) });
  return { header, pieces, readPart: () => part };
}

async function* toPieces(
  items: readonly Item[],
  { header, onPart }: { readonly header: readonly string[]; readonly onPart: (part: number) => void },
): AsyncGenerator<SourceRow[]> {
  for (let from = 0; from < items.length; from += PIECE) {
    onPart(from / items.length);
    yield items.slice(from, from + PIECE).map((item, at) => ({
      line: from + at + 1,
      cells: header.map((name) => (Object.hasOwn(item, name) ? item[name] : undefined)),
    }));
  }
}

function isItem(value: unknown): value is Item {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
