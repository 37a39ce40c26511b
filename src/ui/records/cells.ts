import { type Column, pathOfRecords, type Records, type Row, shorten } from "./records.ts";

/** A value as pages show it. */
export interface Cell {
  readonly column: string;
  /** How it is shown. */
  readonly kind:
    | "none"
    | "text"
    | "number"
    | "choice"
    | "yes"
    | "no"
    | "date"
    | "moment"
    | "link"
    | "file"
    | "code";
  readonly text: string;
  /** Of a number: how many digits it has behind the point. */
  readonly digits: number | null;
  /** What it leads to. */
  readonly href: string | null;
  /** Of a picture: a smaller one. */
  readonly thumb: string | null;
}

/** What thumbnails are made of. */
const PICTURES = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"]);
const THUMBNAIL = "64x64";
const NUMBERS = new Set(["integer", "bigint", "decimal"]);

export function isNumber({ kind }: Column): boolean {
  return NUMBERS.has(kind);
}

/** A value of a row, as a page shows it. */
export function toCell(records: Records, column: Column, row: Row): Cell {
  const value = row[column.name];
  const cell = { column: column.name, text: toText(value), digits: null, href: null, thumb: null };
  if (value === null || value === undefined || value === "") return { ...cell, kind: "none", text: "" };
  if (column.references !== null) return { ...cell, ...toLink(records, column, row) };
  switch (column.kind) {
    case "integer":
    case "bigint":
    case "decimal":
      return { ...cell, kind: "number", digits: column.scale ?? 0 };
    case "enum":
      return { ...cell, kind: "choice" };
    case "boolean":
      return { ...cell, kind: value === true ? "yes" : "no" };
    case "date":
      return { ...cell, kind: "date" };
    case "timestamp":
      return { ...cell, kind: "moment" };
    case "file":
      return { ...cell, kind: "file", ...toFileLink(value) };
    case "json":
      return { ...cell, kind: "code", text: shorten(JSON.stringify(value)) };
    default:
      return { ...cell, kind: "text", text: shorten(cell.text) };
  }
}

/** A file by its name, and where it is served. */
function toFileLink(value: unknown): Pick<Cell, "text" | "href" | "thumb"> {
  const { name, type, url } = typeof value === "object" && value !== null ? (value as Row) : {};
  const href = typeof url === "string" && url.startsWith("/") && !url.startsWith("//") ? url : null;
  return { text: shorten(toText(name)), href, thumb: href === null ? null : thumbnailOf(toText(type), href) };
}

/** Where a smaller one of a picture is; null for what is none. */
export function thumbnailOf(type: string, href: string): string | null {
  return PICTURES.has(type) ? `${href}?thumb=${THUMBNAIL}` : null;
}

/** The row that a value refers to, called by its title where that may be seen. */
function toLink(
  records: Records,
  { name, references }: Column,
  row: Row,
): Pick<Cell, "kind" | "text" | "href"> {
  const id = toText(row[name]);
  const relation = records.relationOf(name);
  const other = relation === null ? null : (row[relation] as Row | null | undefined);
  const title = references?.title ?? null;
  const text = title === null ? "" : toText(other?.[title]);
  const isSeen = other !== null && (relation === null || other !== undefined);
  const resource = references?.resource ?? null;
  return {
    kind: "link",
    text: text === "" ? `#${id}` : shorten(text),
    href: resource === null || !isSeen ? null : `${pathOfRecords(resource)}/${encodeURIComponent(id)}`,
  };
}

/** A value as people read it, and type it into a field. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
