import { type Entry, writeZip } from "./zip.ts";

/** What a cell holds: a day or a moment is a Date. */
export type Cell = string | number | boolean | Date | null;

/** A column of a sheet. */
export interface WorkbookColumn {
  readonly header: string;
  /** How its dates are shown. */
  readonly dates: "day" | "moment";
}

export interface Sheet {
  readonly name: string;
  readonly columns: readonly WorkbookColumn[];
  readonly pieces: AsyncIterable<readonly (readonly Cell[])[]>;
}

const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE = "http://schemas.openxmlformats.org/package/2006";
const TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml";
const DAY_MS = 86_400_000;
/** What Excel counts days from; true of those from March 1900 on, before which it knows a day that wasn't. */
const EPOCH_MS = Date.UTC(1899, 11, 30);
/** Places of `cellXfs` below. */
const STYLES = { day: 1, moment: 2 } as const;
// oxlint-disable-next-line no-control-regex -- what XML has no characters for
const ESCAPED = /[&<>\u0000-\u0008\u000b-\u001f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)/g;
const NAMED: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/**
 * Writes a workbook of one sheet (ECMA-376) as its rows come. Texts stand in their cells: a table of them would be held until the
 * end.
 */
export function writeWorkbook(sheet: Sheet): AsyncGenerator<Uint8Array> {
  return writeZip([
    { path: "xl/worksheets/sheet1.xml", text: writeSheet(sheet) },
    ...toParts(sheet.name).map(([path, xml]): Entry => ({ path, text: [HEAD + xml] })),
  ]);
}

async function* writeSheet({ columns, pieces }: Sheet): AsyncGenerator<string> {
  const letters = columns.map((_, at) => toLetters(at));
  const styles = columns.map(({ dates }) => STYLES[dates]);
  const pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>';
  yield `${HEAD}<worksheet xmlns="${MAIN}"><sheetViews><sheetView workbookViewId="0">${pane}</sheetView></sheetViews><sheetData>`;
  let row = 0;
  const toXml = (cells: readonly Cell[]): string => {
    row += 1;
    let xml = `<row r="${row}">`;
    for (const [at, cell] of cells.entries())
      if (cell !== null) xml += toCellXml(cell, `r="${letters[at]}${row}"`, styles[at]);
    return `${xml}</row>`;
  };
  yield toXml(columns.map(({ header }) => header));
  for await (const rows of pieces) yield rows.map(toXml).join("");
  yield "</sheetData></worksheet>";
}

function toCellXml(cell: Exclude<Cell, null>, place: string, style: number | undefined): string {
  if (typeof cell === "number" && Number.isFinite(cell)) return `<c ${place}><v>${cell}</v></c>`;
  if (typeof cell === "boolean") return `<c ${place} t="b"><v>${cell ? 1 : 0}</v></c>`;
  if (cell instanceof Date)
    return `<c ${place} s="${style}"><v>${(cell.getTime() - EPOCH_MS) / DAY_MS}</v></c>`;
  return `<c ${place} t="inlineStr"><is><t xml:space="preserve">${escape(String(cell))}</t></is></c>`;
}

/** Characters that XML doesn't have are written "_x000D_" (22.9.2.19). */
function escape(text: string): string {
  return text.replaceAll(
    ESCAPED,
    (found) => NAMED[found] ?? `_x${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}_`,
  );
}

/** "A", "Z", "AA". */
function toLetters(at: number): string {
  const last = String.fromCharCode(65 + (at % 26));
  return at < 26 ? last : toLetters(Math.floor(at / 26) - 1) + last;
}

function toParts(name: string): [path: string, xml: string][] {
  const types = [
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>',
    '<Default Extension="xml" ContentType="application/xml"/>',
    toType("workbook", "sheet.main"),
    toType("worksheets/sheet1", "worksheet"),
    toType("styles", "styles"),
  ];
  return [
    [
      "xl/workbook.xml",
      `<workbook xmlns="${MAIN}" xmlns:r="${RELATIONS}"><sheets><sheet name="${escape(name)}" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    ],
    ["xl/styles.xml", toStyles()],
    [
      "xl/_rels/workbook.xml.rels",
      toRelations(["worksheet", "worksheets/sheet1.xml"], ["styles", "styles.xml"]),
    ],
    ["_rels/.rels", toRelations(["officeDocument", "xl/workbook.xml"])],
    ["[Content_Types].xml", `<Types xmlns="${PACKAGE}/content-types">${types.join("")}</Types>`],
  ];
}

function toRelations(...all: readonly (readonly [kind: string, target: string])[]): string {
  const relations = all.map(
    ([kind, target], at) =>
      `<Relationship Id="rId${at + 1}" Type="${RELATIONS}/${kind}" Target="${target}"/>`,
  );
  return `<Relationships xmlns="${PACKAGE}/relationships">${relations.join("")}</Relationships>`;
}

function toType(path: string, type: string): string {
  return `<Override PartName="/xl/${path}.xml" ContentType="${TYPE}.${type}+xml"/>`;
}

/** Excel wants a font, two fills and a border, whether they are used or not. */
function toStyles(): string {
  const formats = ["yyyy\\-mm\\-dd", "yyyy\\-mm\\-dd\\ hh:mm:ss"];
  return `<styleSheet xmlns="${MAIN}">${[
    toList(
      "numFmts",
      formats.map((format, at) => `<numFmt numFmtId="${164 + at}" formatCode="${format}"/>`),
    ),
    toList("fonts", ['<font><sz val="11"/><name val="Calibri"/><family val="2"/></font>']),
    toList("fills", [
      '<fill><patternFill patternType="none"/></fill>',
      '<fill><patternFill patternType="gray125"/></fill>',
    ]),
    toList("borders", ["<border><left/><right/><top/><bottom/><diagonal/></border>"]),
    toList("cellStyleXfs", ['<xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>']),
    toList("cellXfs", [0, 164, 165].map(toCellStyle)),
    toList("cellStyles", ['<cellStyle name="Normal" xfId="0" builtinId="0"/>']),
  ].join("")}</styleSheet>`;
}

function toList(name: string, items: readonly string[]): string {
  return `<${name} count="${items.length}">${items.join("")}</${name}>`;
}

function toCellStyle(format: number): string {
  const isApplied = format === 0 ? "" : ' applyNumberFormat="1"';
  return `<xf numFmtId="${format}" fontId="0" fillId="0" borderId="0" xfId="0"${isApplied}/>`;
}
