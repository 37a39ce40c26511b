/** Words that no parameter of a function may be called. */
const RESERVED = new Set(
  "arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof undefined var void while with yield call body query options".split(
    " ",
  ),
);

/** What the written client itself stands on. */
const GLOBALS = [
  "AbortSignal",
  "Answer",
  "AnswerKind",
  "Array",
  "ArrayBuffer",
  "AsyncGenerator",
  "Behind",
  "Blob",
  "BodyInit",
  "Call",
  "CallParts",
  "Client",
  "ClientOptions",
  "Date",
  "Error",
  "Exclude",
  "Expanded",
  "ExpandedPage",
  "First",
  "FormData",
  "Headers",
  "Item",
  "JSON",
  "Object",
  "Omit",
  "Page",
  "Path",
  "Problem",
  "Promise",
  "Query",
  "ReadableStream",
  "Readonly",
  "Record",
  "RequestCredentials",
  "RequestInit",
  "RequestOptions",
  "Response",
  "ReturnType",
  "String",
  "TypeError",
  "URLSearchParams",
  "XcoreError",
];
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
const MAX_COMMENT = 300; // characters

/** Names that are taken, each once. */
export class Names {
  readonly #taken: Set<string>;

  constructor(taken: readonly string[] = GLOBALS) {
    this.#taken = new Set(taken);
  }

  has(name: string): boolean {
    return this.#taken.has(name);
  }

  /** Takes a name, with a number behind it where it is taken. */
  take(name: string): string {
    let free = name;
    for (let number = 2; this.#taken.has(free); number += 1) free = `${name}${number}`;
    this.#taken.add(free);
    return free;
  }
}

/** "blog_posts" as "blogPosts", whatever stands in it. */
export function toCamelCase(text: string): string {
  const pascal = toPascalCase(text);
  const name = pascal.charAt(0).toLowerCase() + pascal.slice(1);
  // An object with it would pass for a promise.
  return name === "then" ? "then_" : name;
}

/** "blog_posts" as "BlogPosts". */
export function toPascalCase(text: string): string {
  const words = text.split(/[^A-Za-z0-9]+/).map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  const name = words.join("");
  if (name === "") return "Root";
  return /^\d/.test(name) ? `N${name}` : name;
}

/** What a parameter of a function is called. */
export function toParameterName(text: string): string {
  const name = toCamelCase(text);
  return RESERVED.has(name) ? `${name}_` : name;
}

/** A name of a property, in quotes where it needs some. */
export function toKey(name: string): string {
  return IDENTIFIER.test(name) ? name : toLiteral(name);
}

/** A value as JavaScript writes it, wherever the text ends up. */
export function toLiteral(value: string | number | boolean | null): string {
  return JSON.stringify(value).replaceAll(/[<>\u007F-\u{10FFFF}]/gu, (character) =>
    Array.from({ length: character.length }, (_, at) => toEscape(character.charCodeAt(at))).join(""),
  );
}

function toEscape(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}

/** A comment of one line, out of which nothing leads; "" for no text. */
export function toComment(texts: readonly unknown[], indent: string): string {
  const text = texts
    .filter((one) => typeof one === "string")
    .join(". ")
    .replaceAll(/[\s\p{C}\u2028\u2029]+/gu, " ")
    .replaceAll("*/", "*\\/")
    .replaceAll("</", "< /")
    .trim();
  if (text === "") return "";
  const short = text.length > MAX_COMMENT ? `${text.slice(0, MAX_COMMENT).toWellFormed()}...` : text;
  // It may have been cut between the two.
  return `${indent}/** ${short.replaceAll("*/", "*\\/")} */\n`;
}
