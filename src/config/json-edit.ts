import { applyEdits, type Edit, findNodeAtLocation, modify, parseTree } from "jsonc-parser";

const BYTE_ORDER_MARK = "\uFEFF";
const REST_OF_LINE = /[ \t]*,?[ \t]*(?:\/\/.*|\/\*.*\*\/[ \t]*)?\r?$/my;

/** Sets a top-level key in the text of a JSON file and keeps the rest as it was written, comments included. */
export function setJsonKey(text: string, key: string, value: boolean): string {
  const mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : "";
  const json = text.slice(mark.length);
  return mark + applyEdits(json, addLine(json, key, value) ?? modify(json, [key], value, {}));
}

/**
 * Sets a key at any depth in the text of a JSON file, makes the objects around it where they are missing, and keeps
 * the rest as it was written, comments included.
 *
 * @param value `undefined` removes the key
 */
export function setJsonPath(text: string, path: readonly string[], value: unknown): string {
  const mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : "";
  const json = text.slice(mark.length);
  const indent = /^[ \t]+(?=")/m.exec(json)?.[0] ?? "  ";
  const formattingOptions = {
    insertSpaces: !indent.startsWith("\t"),
    tabSize: indent.length,
    eol: json.includes("\r\n") ? "\r\n" : "\n",
  };
  return mark + applyEdits(json, modify(json, [...path], value, { formattingOptions }));
}

/** Edits that add the key on a line of its own; null where it is there, or where properties share a line. */
function addLine(json: string, key: string, value: boolean): Edit[] | null {
  const root = parseTree(json);
  const last = root?.children?.at(-1);
  if (root === undefined || last === undefined || findNodeAtLocation(root, [key]) !== undefined) return null;
  const lastEnd = last.offset + last.length;
  REST_OF_LINE.lastIndex = lastEnd;
  const rest = REST_OF_LINE.exec(json)?.[0];
  const indent = /^[ \t]+(?=")/m.exec(json)?.[0];
  if (rest === undefined || indent === undefined) return null;
  const hasComma = rest.trimStart().startsWith(",");
  const eol = json.includes("\r\n") ? "\r\n" : "\n";
  const line = `${eol}${indent}${JSON.stringify(key)}: ${value}${hasComma ? "," : ""}`;
  const lineEnd = lastEnd + rest.trimEnd().length;
  return [
    ...(hasComma ? [] : [{ offset: lastEnd, length: 0, content: "," }]),
    { offset: lineEnd, length: 0, content: line },
  ];
}
