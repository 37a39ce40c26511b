import type { Readable } from "node:stream";
import type { Entry, ZipFile } from "yauzl";
import {
  assertHeader,
  type ImportFile,
  MAX_COLUMNS,
  type Source,
  type SourceRow,
  unreadable,
} from "./source.ts";

/** A number of a sheet: it may stand for a day. */
export class SheetNumber {
  readonly value: number;
  /** Whether days are counted from 1904, as on old Macs. */
  readonly is1904: boolean;

  constructor(value: number, is1904: boolean) {
    this.value = value;
    this.is1904 = is1904;
  }
}

/** The parts of a workbook that are read. */
interface Workbook {
  readonly sheet: Entry;
  readonly strings: readonly string[];
  readonly is1904: boolean;
}

const MAX_ENTRIES = 1000;
/** Bytes of all that is packed in a file, unpacked: a few kilobytes can be gigabytes. */
const MAX_UNPACKED = 256 * 1024 * 1024;
/** Bytes of what is held whole. */
const MAX_PART = 64 * 1024 * 1024;
/** Characters between two marks of XML. */
const MAX_TEXT = 1024 * 1024;
const MAX_ROWS = 1_048_576;

/** Reads the first sheet of a workbook, with names of columns in its first row. @throws AppError validation_error */
export async function readXlsx({ bytes }: ImportFile): Promise<Source> {
  const zip = await openZip(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const workbook = await openWorkbook(zip);
  let read = 0; // characters, nearly all of which are a byte
  const rows = readRows(zip, workbook, (length) => (read += length));
  const first = await rows.next();
  const [head, ...others] = first.done === true ? [] : first.value;
  if (head === undefined) throw unreadable("its first sheet is empty");
  const header = assertHeader(Array.from(head.cells, toName));
  async function* toPieces(): AsyncGenerator<SourceRow[]> {
    if (others.length > 0) yield others;
    yield* rows;
  }
  const size = Math.max(workbook.sheet.uncompressedSize, 1);
  return { header, pieces: toPieces(), readPart: () => Math.min(read / size, 1) };
}

function toName(cell: unknown): string {
  if (cell instanceof SheetNumber) return String(cell.value);
  return typeof cell === "string" ? cell.trim() : "";
}

async function openZip(bytes: Buffer): Promise<{ zip: ZipFile; entries: Map<string, Entry> }> {
  const yauzl = await import("yauzl");
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    // It refuses a part that is larger than it says, and names that lead elsewhere.
    yauzl.fromBuffer(bytes, { lazyEntries: true, validateEntrySizes: true }, (error, opened) =>
      error ? reject(unreadable("it isn't a workbook of XLSX", error)) : resolve(opened),
    );
  });
  if (zip.entryCount > MAX_ENTRIES) throw unreadable(`it has more than ${MAX_ENTRIES} parts`);
  const entries = new Map<string, Entry>();
  let unpacked = 0;
  await new Promise<void>((resolve, reject) => {
    zip.on("error", (error) => reject(unreadable("it is damaged", error)));
    zip.on("end", resolve);
    zip.on("entry", (entry: Entry) => {
      unpacked += entry.uncompressedSize;
      entries.set(entry.fileName, entry);
      if (unpacked <= MAX_UNPACKED) return zip.readEntry();
      reject(unreadable(`unpacked it would be larger than ${MAX_UNPACKED / 1024 ** 2} MB`));
    });
    zip.readEntry();
  });
  return { zip, entries };
}

type Opened = Awaited<ReturnType<typeof openZip>>;

async function openWorkbook(opened: Opened): Promise<Workbook> {
  const { entries } = opened;
  const targets = new Map<string, string>();
  await readXml(opened, "xl/_rels/workbook.xml.rels", {
    onOpen: (name, { Id: id = "", Target: target = "" }) => {
      if (name === "Relationship") targets.set(id, target.startsWith("/") ? target.slice(1) : `xl/${target}`);
    },
  });
  let first = "";
  let is1904 = false;
  await readXml(opened, "xl/workbook.xml", {
    onOpen: (name, attributes) => {
      if (name === "workbookPr") is1904 = /^(?:1|true)$/.test(attributes["date1904"] ?? "");
      if (name === "sheet" && first === "") first = targets.get(attributes["r:id"] ?? "") ?? "";
    },
  });
  const sheet = entries.get(first) ?? entries.get("xl/worksheets/sheet1.xml");
  if (sheet === undefined) throw unreadable("it isn't a workbook of XLSX: it has no sheet");
  return { sheet, is1904, strings: await readStrings(opened) };
}

/** Texts that several cells share. */
async function readStrings(opened: Opened): Promise<string[]> {
  const strings: string[] = [];
  if (!opened.entries.has("xl/sharedStrings.xml")) return strings;
  let text = "";
  let isText = false;
  await readXml(opened, "xl/sharedStrings.xml", {
    onOpen: (name) => {
      if (name === "si") text = "";
      isText = name === "t";
    },
    onText: (part) => {
      if (isText) text += part;
    },
    onClose: (name) => {
      isText = false;
      if (name === "si") strings.push(unescape(text));
    },
  });
  return strings;
}

interface Handlers {
  readonly onOpen?: (name: string, attributes: Readonly<Record<string, string>>) => void;
  readonly onText?: (text: string) => void;
  readonly onClose?: (name: string) => void;
}

/** Reads a part that is held whole. */
async function readXml(opened: Opened, name: string, handlers: Handlers): Promise<void> {
  const entry = opened.entries.get(name);
  if (entry === undefined) throw unreadable(`it isn't a workbook of XLSX: it has no ${name}`);
  if (entry.uncompressedSize > MAX_PART)
    throw unreadable(`its ${name} is larger than ${MAX_PART / 1024 ** 2} MB`);
  const write = await createParser(handlers);
  for await (const text of unpack(opened, entry)) write(text);
  write(null);
}

/** Returns what parses XML as it comes; null is its end. */
async function createParser({ onOpen, onText, onClose }: Handlers): Promise<(text: string | null) => void> {
  const { SaxesParser } = await import("saxes");
  const parser = new SaxesParser();
  let pending = 0;
  const mark = (): void => void (pending = 0);
  parser.on("error", (error) => {
    throw unreadable("it is damaged", error);
  });
  parser.on("doctype", () => {
    throw unreadable("it is damaged: no part of a workbook has a DOCTYPE");
  });
  parser.on("opentag", ({ name, attributes }) => {
    mark();
    onOpen?.(name.replace(/^\w+:/, ""), attributes);
  });
  parser.on("text", (text) => onText?.(text));
  parser.on("closetag", ({ name }) => {
    mark();
    onClose?.(name.replace(/^\w+:/, ""));
  });
  return (text) => {
    if (text === null) {
      parser.close();
      return;
    }
    pending += text.length;
    parser.write(text);
    if (pending > MAX_TEXT) throw unreadable("it has a text of more than a million characters");
  };
}

async function* unpack({ zip }: Opened, entry: Entry): AsyncGenerator<string> {
  const stream = await new Promise<Readable>((resolve, reject) => {
    zip.openReadStream(entry, (error, opened) =>
      error ? reject(unreadable("it is damaged, or locked by a password", error)) : resolve(opened),
    );
  });
  const decoder = new TextDecoder();
  try {
    for await (const bytes of stream as AsyncIterable<Buffer>) yield decoder.decode(bytes, { stream: true });
  } catch (error) {
    throw unreadable("it is damaged", error);
  }
}

async function* readRows(
  opened: Opened,
  { sheet, strings, is1904 }: Workbook,
  onRead: (length: number) => void,
): AsyncGenerator<SourceRow[]> {
  const reader = new RowReader(strings, is1904);
  const write = await createParser(reader);
  for await (const text of unpack(opened, sheet)) {
    write(text);
    onRead(text.length);
    const rows = reader.take();
    if (rows.length > 0) yield rows;
  }
  write(null);
}

/** Puts the cells of a sheet together. Of a formula, its last result is taken. */
class RowReader implements Handlers {
  readonly #strings: readonly string[];
  readonly #is1904: boolean;
  #rows: SourceRow[] = [];
  #line = 0;
  #cells: unknown[] = [];
  #column = -1;
  #type = "";
  #text = "";
  #isValue = false;

  constructor(strings: readonly string[], is1904: boolean) {
    this.#strings = strings;
    this.#is1904 = is1904;
  }

  /** The rows that are whole. */
  take(): SourceRow[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  onOpen = (name: string, { r: place, t: type }: Readonly<Record<string, string>>): void => {
    if (name === "row") {
      this.#line = place === undefined ? this.#line + 1 : Number(place);
      this.#cells = [];
      this.#column = -1;
      if (!(this.#line >= 1 && this.#line <= MAX_ROWS))
        throw unreadable("it is damaged: a row has no number");
    } else if (name === "c") {
      this.#column = place === undefined ? this.#column + 1 : toColumn(place);
      this.#type = type ?? "n";
      this.#text = "";
      if (this.#column >= MAX_COLUMNS)
        throw unreadable(`row ${this.#line} has more than ${MAX_COLUMNS} columns`);
    }
    this.#isValue = name === "v" || name === "t";
  };

  onText = (text: string): void => {
    if (this.#isValue) this.#text += text;
  };

  onClose = (name: string): void => {
    this.#isValue = false;
    if (name === "c") this.#cells[this.#column] = this.#toCell();
    // A row that is only formatted is none.
    if (name === "row" && this.#cells.some((cell) => cell !== undefined && cell !== ""))
      this.#rows.push({ line: this.#line, cells: this.#cells });
  };

  #toCell(): unknown {
    const text = this.#text;
    if (this.#type === "s") return this.#strings[Number(text)] ?? "";
    if (this.#type === "b") return text === "1";
    if (this.#type !== "n") return unescape(text);
    return text === "" ? undefined : new SheetNumber(Number(text), this.#is1904);
  }
}

/** The place of the column of a cell such as "AB12", from 0. */
function toColumn(place: string): number {
  const letters = /^([A-Z]{1,3})\d+$/.exec(place)?.[1];
  if (letters === undefined) throw unreadable("it is damaged: a cell has no place");
  let column = 0;
  for (const letter of letters) column = column * 26 + letter.charCodeAt(0) - 64;
  return column - 1;
}

/** Characters that XML doesn't have are written "_x000D_" (ECMA-376, 22.9.2.19). */
function unescape(text: string): string {
  if (!text.includes("_x")) return text;
  return text.replaceAll(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}
