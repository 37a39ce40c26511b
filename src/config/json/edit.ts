import { createScanner, findNodeAtLocation, type Node, parseTree } from "jsonc-parser";

const BYTE_ORDER_MARK = "\uFEFF";

/**
 * Sets a key at any depth in the text of a JSON file, makes the objects around it where they are missing, and keeps
 * the rest as it was written: comments, the order of keys, line ends, indentation.
 *
 * @param text JSON without syntax errors; comments and trailing commas are fine
 * @param value `undefined` removes the key
 * @throws TypeError when something on the path is there and is no object
 */
export function setJsonPath(text: string, path: readonly string[], value: unknown): string {
  const mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : "";
  const json = text.slice(mark.length);
  return mark + applyEdits(json, value === undefined ? removeKey(json, path) : setKey(json, path, value));
}

/** A piece of a text and what takes its place. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly content: string;
}

/** How a JSON file is laid out. */
interface Layout {
  /** Values on lines of their own, on one line with blanks, or without any. */
  readonly style: "lines" | "padded" | "compact";
  /** One level of indentation. */
  readonly unit: string;
  readonly eol: string;
}

function setKey(json: string, path: readonly string[], value: unknown): Edit[] {
  const root = parseTree(json);
  const layout = readLayout(json);
  if (root === undefined)
    return [{ start: 0, end: json.length, content: toText(nest(path, value), layout, "") }];
  const existing = findNodeAtLocation(root, [...path]);
  if (existing !== undefined) {
    const content = toText(value, layout, indentAt(json, existing.offset));
    return [{ start: existing.offset, end: endOf(existing), content }];
  }
  const { object, depth } = findDeepest(root, path);
  const property = { key: path[depth] ?? "", value: nest(path.slice(depth + 1), value) };
  const last = object.children?.at(-1);
  return last === undefined
    ? fillObject(json, object, property, layout)
    : addAfter(json, object, last, property, layout);
}

interface Property {
  readonly key: string;
  readonly value: unknown;
}

/** Adds the first property of an object, which may hold comments. */
function fillObject(json: string, object: Node, property: Property, layout: Layout): Edit[] {
  const close = endOf(object) - 1;
  const inside = json.slice(object.offset + 1, close);
  // An empty file has no style to keep.
  if (layout.style !== "lines" && object.parent !== undefined) {
    return [{ start: close, end: close, content: toLine(property, layout, "") }];
  }
  const indent = indentAt(json, object.offset);
  const start = object.offset + 1 + inside.trimEnd().length;
  const inner = indent + layout.unit;
  const line = toLine(property, { ...layout, style: "lines" }, inner);
  const content = layout.eol + inner + line + layout.eol + indent;
  return [{ start, end: close, content }];
}

/** Adds a property behind the last one: on a line of its own; a comment on the last one stays beside it. */
function addAfter(json: string, object: Node, last: Node, property: Property, layout: Layout): Edit[] {
  const end = endOf(last);
  const comma = findComma(json, end);
  const lineEnd = findLineEnd(json, end, comma);
  const added = comma === null ? [{ start: end, end, content: "," }] : [];
  if (isFirstOnLine(json, last.offset) && lineEnd !== null) {
    const indent = indentAt(json, last.offset);
    const line = toLine(property, layout, indent);
    const content = layout.eol + indent + line + (comma === null ? "" : ",");
    return [...added, { start: lineEnd, end: lineEnd, content }];
  }
  const isPadded = layout.style !== "compact" || /^\{\s/.test(json.slice(object.offset));
  const at = comma ?? end;
  const line = toLine(property, { ...layout, style: isPadded ? "padded" : "compact" }, "");
  return [...added, { start: at, end: at, content: (isPadded ? " " : "") + line }];
}

function removeKey(json: string, path: readonly string[]): Edit[] {
  const root = parseTree(json);
  const property = root && findNodeAtLocation(root, [...path])?.parent;
  if (property === undefined) return [];
  const end = endOf(property);
  const object = property.parent;
  const siblings = object?.children ?? [];
  const before = siblings[siblings.indexOf(property) - 1];
  const own = findComma(json, end);
  // The comma before the last one would be left over, unless commas end every line there.
  const comma = own ?? (before === undefined ? null : findComma(json, endOf(before)));
  const commas = comma === null ? [] : [{ start: comma - 1, end: comma, content: "" }];
  if (object !== undefined && siblings.length === 1) {
    const inside = json.slice(object.offset + 1, property.offset) + json.slice(own ?? end, endOf(object) - 1);
    if (inside.trim() === "") return [{ start: object.offset, end: endOf(object), content: "{}" }];
  }
  const lineEnd = findLineEnd(json, end, own);
  if (isFirstOnLine(json, property.offset) && lineEnd !== null) {
    const start = json.slice(0, property.offset).replace(/\r?\n?[ \t]*$/, "").length;
    return [...(own === null ? commas : []), { start, end: lineEnd, content: "" }];
  }
  // The blanks on one side of the property go with it.
  const isLast = property === siblings.at(-1);
  const start = isLast ? json.slice(0, property.offset).replace(/[ \t]+$/, "").length : property.offset;
  const pieces =
    own === end + 1 ? [{ start, end: own, content: "" }] : [...commas, { start, end, content: "" }];
  const gap = isLast ? 0 : (/^[ \t]*/.exec(json.slice(own ?? end))?.[0].length ?? 0);
  return gap === 0 ? pieces : [...pieces, { start: own ?? end, end: (own ?? end) + gap, content: "" }];
}

/** Offset behind the comma that follows a value, null without one. */
function findComma(json: string, from: number): number | null {
  const scanner = createScanner(json, true);
  scanner.setPosition(from);
  scanner.scan();
  const offset = scanner.getTokenOffset();
  return json[offset] === "," ? offset + 1 : null;
}

/** Where the comments behind a value and its comma end; null when something else follows on the line. */
function findLineEnd(json: string, from: number, comma: number | null): number | null {
  const scanner = createScanner(json);
  scanner.setPosition(from);
  for (let end = from; ;) {
    scanner.scan();
    const start = scanner.getTokenOffset();
    const token = json.slice(start, start + scanner.getTokenLength());
    if (/^[\r\n]/.test(token)) return comma === null || comma <= end ? end : null;
    if (/^[ \t]+$/.test(token)) continue;
    // A comment that goes on below may belong to what follows there.
    if (token !== "," && !/^\/[/*][^\n]*$/.test(token)) return null;
    end = start + token.length;
  }
}

function findDeepest(root: Node, path: readonly string[]): { object: Node; depth: number } {
  let object = root;
  for (const [depth, key] of path.entries()) {
    if (object.type !== "object") {
      throw new TypeError(`Cannot set ${JSON.stringify(path.join("."))}: what is around it is no object`);
    }
    const next = findNodeAtLocation(object, [key]);
    if (next === undefined) return { object, depth };
    object = next;
  }
  return { object, depth: path.length };
}

function nest(path: readonly string[], value: unknown): unknown {
  return path.reduceRight((inner, key) => ({ [key]: inner }), value);
}

function readLayout(json: string): Layout {
  return {
    style: json.trim().includes("\n") ? "lines" : "compact",
    unit: /^[ \t]+(?=")/m.exec(json)?.[0] ?? "  ",
    eol: json.includes("\r\n") ? "\r\n" : "\n",
  };
}

function toLine({ key, value }: Property, layout: Layout, indent: string): string {
  return `${JSON.stringify(key)}:${layout.style === "compact" ? "" : " "}${toText(value, layout, indent)}`;
}

function toText(value: unknown, { style, unit, eol }: Layout, indent: string): string {
  if (style === "lines") return JSON.stringify(value, null, unit).replaceAll("\n", eol + indent);
  return style === "compact" ? JSON.stringify(value) : toPadded(value);
}

/** `{ "a": [1, 2] }` */
function toPadded(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toPadded).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const properties = Object.entries(value).map(
    ([key, inner]) => `${JSON.stringify(key)}: ${toPadded(inner)}`,
  );
  return properties.length === 0 ? "{}" : `{ ${properties.join(", ")} }`;
}

function isFirstOnLine(json: string, offset: number): boolean {
  return /(?:^|\n)[ \t]*$/.test(json.slice(lineStart(json, offset), offset));
}

/** The blanks that the line of an offset starts with. */
function indentAt(json: string, offset: number): string {
  return /^[ \t]*/.exec(json.slice(lineStart(json, offset)))?.[0] ?? "";
}

function lineStart(json: string, offset: number): number {
  return json.lastIndexOf("\n", offset - 1) + 1;
}

function endOf({ offset, length }: Node): number {
  return offset + length;
}

function applyEdits(json: string, edits: readonly Edit[]): string {
  let text = "";
  let at = 0;
  for (const { start, end, content } of edits.toSorted((a, b) => a.start - b.start)) {
    text += json.slice(at, start) + content;
    at = end;
  }
  return text + json.slice(at);
}
