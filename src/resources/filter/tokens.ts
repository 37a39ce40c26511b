import { FilterError } from "./error.ts";

export type TokenType = "name" | "text" | "number" | "moment" | "symbol" | "end";

/** A part of a filter. */
export interface Token {
  readonly type: TokenType;
  /** What it stands for: of a text, without its quotes. */
  readonly text: string;
  /** The index of its first character. */
  readonly at: number;
}

const MAX_LENGTH = 4000; // characters
const MAX_SHOWN = 40;
const SPACE = /[ \t\r\n]*/y;
const NAME = /[a-z_][a-z0-9_]{0,62}(?:\.[a-z_][a-z0-9_]{0,62})*/y;
const NUMBER = /-?\d+(?:\.\d+)?(?![\w.])/y;
const MOMENT = /@[a-z]+(?:[+-]\d{1,6}[a-z]{1,2})?/y;
const SYMBOL = /&&|\|\||\?(?:!=|>=|<=|!~|[=><~])|!=|>=|<=|!~|[=><~!()[\],]/y;
const ESCAPED = /\\(["'\\])/g;
const QUOTED: Readonly<Record<string, RegExp>> = {
  '"': /"((?:[^"\\]|\\["'\\])*)"/y,
  "'": /'((?:[^'\\]|\\["'\\])*)'/y,
};

/**
 * Takes a filter apart.
 *
 * @throws FilterError for more than 4,000 characters, and for what is no part of one
 */
export function toTokens(filter: string): Token[] {
  if (filter.length > MAX_LENGTH) throw new FilterError(MAX_LENGTH, `at most ${MAX_LENGTH} characters`);
  const tokens: Token[] = [];
  let at = skip(filter, 0);
  while (at < filter.length) {
    const { token, end } = readToken(filter, at);
    tokens.push(token);
    at = skip(filter, end);
  }
  tokens.push({ type: "end", text: "", at: filter.length });
  return tokens;
}

/** A part as a message shows it. */
export function show({ type, text }: Token): string {
  if (type === "end") return "the end";
  const short = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return type === "text" ? JSON.stringify(short) : `"${short}"`;
}

function readToken(filter: string, at: number): { token: Token; end: number } {
  const quoted = QUOTED[filter.charAt(at)];
  if (quoted !== undefined) {
    const match = matchAt(quoted, filter, at);
    if (match === null)
      throw new FilterError(at, `text that ends in ${filter.charAt(at)}; a backslash goes before one inside`);
    const text = (match[1] as string).replaceAll(ESCAPED, "$1");
    return { token: { type: "text", text, at }, end: at + match[0].length };
  }
  for (const [type, pattern] of PATTERNS) {
    const [text] = matchAt(pattern, filter, at) ?? [];
    if (text !== undefined) return { token: { type, text, at }, end: at + text.length };
  }
  const found = String.fromCodePoint(filter.codePointAt(at) ?? 0);
  throw new FilterError(at, "a name, a value or an operator", JSON.stringify(found));
}

const PATTERNS: readonly (readonly [TokenType, RegExp])[] = [
  ["number", NUMBER],
  ["name", NAME],
  ["moment", MOMENT],
  ["symbol", SYMBOL],
];

function skip(filter: string, at: number): number {
  return at + (matchAt(SPACE, filter, at)?.[0].length ?? 0);
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
