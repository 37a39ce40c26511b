import { parseJsonDocument } from "./json/document.ts";
import { isAnything, type SchemaNode } from "./schema-node.ts";

const TRUE = /^(?:true|1|yes|on)$/i;
const FALSE = /^(?:false|0|no|off)$/i;

/**
 * Turns the text of a variable into the type that a key takes. Text that does not fit stays text, so that
 * validation reports it with the other problems.
 */
export function coerceText(text: string, node: SchemaNode): unknown {
  if (isAnything(node)) return coerceFreely(text);
  for (const member of node.anyOf ?? [node]) {
    const value = coerceTo(text, member);
    if (value !== undefined) return value;
  }
  return text;
}

function coerceTo(text: string, node: SchemaNode): unknown {
  const trimmed = text.trim();
  switch (node.type) {
    case "null":
      return trimmed === "null" ? null : undefined;
    case "boolean":
      return TRUE.test(trimmed) ? true : FALSE.test(trimmed) ? false : undefined;
    case "integer":
    case "number":
      return toNumber(trimmed);
    case "array":
      return toArray(trimmed, node);
    case "object":
      return parseJsonDocument(trimmed).value;
    default:
      return undefined;
  }
}

function toNumber(text: string): number | undefined {
  return /^[+-]?\d+(?:\.\d+)?$/.test(text) ? Number(text) : undefined;
}

function toArray(text: string, node: SchemaNode): unknown {
  if (text.startsWith("[")) return parseJsonDocument(text).value;
  if (node.items?.type !== "string") return undefined;
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

// Nothing says which type a plugin's setting has, so JSON is read as JSON and the rest is text.
function coerceFreely(text: string): unknown {
  const trimmed = text.trim();
  // A long number that would lose digits, such as an account's, is text.
  if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(trimmed) && String(Number(trimmed)) === trimmed)
    return Number(trimmed);
  if (/^(?:true|false|null|[[{"][\s\S]*)$/.test(trimmed)) {
    const { value } = parseJsonDocument(trimmed);
    return value === undefined ? text : value;
  }
  return text;
}
