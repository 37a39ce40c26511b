import { createScanner, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { type KeyPath, quote } from "./values.ts";
import { describeSyntaxError } from "./syntax.ts";

const MAX_DEPTH = 100; // levels; deeper only happens by accident or in an attack on the parser's stack

/** A place in a text; both numbers start at 1, as editors count. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One thing that keeps a text from being used as a JSON document. */
export interface JsonFault {
  readonly path: KeyPath;
  readonly position: Position;
  readonly expected: string;
  readonly found: string;
  readonly message: string;
}

/** A JSON text with comments and trailing commas allowed: its value, and where each part of it stands. */
export interface JsonDocument {
  /** `undefined` when the text cannot be parsed or holds nothing. */
  readonly value: unknown;
  readonly faults: readonly JsonFault[];
  /** The place of a value, or of its key, or of the closest thing around it that exists. */
  positionOf(path: KeyPath, part?: "key" | "value"): Position;
}

/** Parses a JSON text and reports every fault: each syntax error, duplicate and forbidden key. */
export function parseJsonDocument(text: string): JsonDocument {
  const toPosition = createPositionReader(text);
  const tooDeep = findTooDeep(text);
  if (tooDeep !== undefined) {
    const expected = `at most ${MAX_DEPTH} levels of nesting`;
    const message = `nested too deep, expected ${expected}`;
    const fault = { path: [], position: toPosition(tooDeep), expected, found: "more levels", message };
    return { value: undefined, faults: [fault], positionOf: () => toPosition(0) };
  }
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  // Recovering from one mistake, the parser may complain again about the same character.
  const firstErrors = new Map(errors.toReversed().map(({ offset, error }) => [offset, error]));
  const faults: JsonFault[] = [...firstErrors].toReversed().map(([offset, error]) => ({
    path: [],
    position: toPosition(offset),
    ...describeSyntaxError(printParseErrorCode(error), text, offset),
  }));
  const value = root && errors.length === 0 ? toValue(root, [], faults, toPosition) : undefined;
  return { value, faults, positionOf: (path, part) => toPosition(findOffset(root, path, part)) };
}

function toValue(node: Node, path: KeyPath, faults: JsonFault[], toPosition: ReadPosition): unknown {
  const children = node.children ?? [];
  if (node.type === "array") {
    return children.map((child, index) => toValue(child, [...path, index], faults, toPosition));
  }
  if (node.type !== "object") return node.value;
  const value: Record<string, unknown> = {};
  const firsts = new Map<string, Node>();
  for (const property of children) {
    const [keyNode, valueNode] = property.children ?? [];
    if (!keyNode || !valueNode) continue;
    const key = String(keyNode.value);
    const keyPath = [...path, key];
    const first = firsts.get(key);
    if (first) {
      const message = `duplicate key, first on line ${toPosition(first.offset).line}`;
      const words = { expected: "each key once", found: `a second ${quote(key)}`, message };
      faults.push({ path: keyPath, position: toPosition(keyNode.offset), ...words });
    } else if (key === "__proto__") {
      const message = "unknown key, expected another name";
      const words = { expected: "another name", found: quote(key), message };
      faults.push({ path: keyPath, position: toPosition(keyNode.offset), ...words });
    } else {
      firsts.set(key, keyNode);
      value[key] = toValue(valueNode, keyPath, faults, toPosition);
    }
  }
  return value;
}

function findOffset(root: Node | undefined, path: KeyPath, part: "key" | "value" = "value"): number {
  let node = root;
  let offset = root?.offset ?? 0;
  for (const key of path) {
    const children: readonly Node[] = node?.children ?? [];
    const property =
      typeof key === "number"
        ? children[key]
        : children.find((child) => child.type === "property" && child.children?.[0]?.value === key);
    if (!property) return offset;
    node = typeof key === "number" ? property : property.children?.[1];
    offset = part === "key" ? property.offset : (node?.offset ?? property.offset);
  }
  return offset;
}

// The parser calls itself for each level, so the depth is checked before it runs.
function findTooDeep(text: string): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  while (scanner.getPosition() < text.length) {
    scanner.scan();
    const token = text[scanner.getTokenOffset()];
    if (token === "{" || token === "[") depth += 1;
    else if (token === "}" || token === "]") depth -= 1;
    if (depth > MAX_DEPTH) return scanner.getTokenOffset();
  }
  return undefined;
}

type ReadPosition = (offset: number) => Position;

function createPositionReader(text: string): ReadPosition {
  let starts: readonly number[] | undefined; // offsets of the lines, found when the first place is asked for
  return (offset) => {
    starts ??= [0, ...Array.from(text.matchAll(/\r\n|\n|\r/g), (end) => end.index + end[0].length)];
    let line = 0;
    let after = starts.length;
    while (after - line > 1) {
      const middle = (line + after) >>> 1;
      if ((starts[middle] ?? 0) <= offset) line = middle;
      else after = middle;
    }
    return { line: line + 1, column: offset - (starts[line] ?? 0) + 1 };
  };
}
