import type { SQLQueryBindings } from "bun:sqlite";

/** An insert, an update or a delete, taken apart as far as its text tells. */
export interface Write {
  readonly verb: "insert" | "update" | "delete";
  readonly table: string;
  /** Without `returning`, and the parameters of that. */
  readonly text: string;
  readonly parameters: readonly SQLQueryBindings[];
  /** What selects the rows that an update or a delete is about; null where there are none, or it can't be told. */
  readonly matched: {
    readonly toSelect: (columns: readonly string[]) => string;
    readonly parameters: readonly SQLQueryBindings[];
  } | null;
}

interface Token {
  readonly text: string;
  readonly at: number;
  /** How many parameters stand before it. */
  readonly marks: number;
}

const TOKEN =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\/|[().]|\?\d*|[:@$]\w+|[a-z_]\w*/gi;
const VERBS: Readonly<Record<string, Write["verb"]>> = {
  insert: "insert",
  replace: "insert",
  update: "update",
  delete: "delete",
};

/** Takes a statement apart; null when it is no write, or has parameters with names or numbers. */
export function parseWrite(sql: string, parameters: readonly SQLQueryBindings[]): Write | null {
  const tokens = readOuterTokens(sql);
  const verbAt = tokens?.findIndex(({ text }) => Object.hasOwn(VERBS, text.toLowerCase())) ?? -1;
  const verb = tokens?.[verbAt];
  if (tokens === null || verb === undefined) return null;
  const rest = tokens.slice(verbAt);
  const name = findName(rest);
  const kind = VERBS[verb.text.toLowerCase()];
  if (name === null || kind === undefined) return null;
  const end = rest.findLast(({ text }) => text.toLowerCase() === "returning") ?? {
    at: sql.length,
    marks: parameters.length,
  };
  const where = rest.find(({ text }) => text.toLowerCase() === "where");
  const isJoined = kind === "update" && rest.some(({ text }) => text.toLowerCase() === "from");
  const from = kind === "delete" ? name.start.at : (where?.at ?? end.at);
  const marks = kind === "delete" ? name.start.marks : (where?.marks ?? end.marks);
  const before = sql.slice(0, verb.at);
  const after = `${kind === "delete" ? "" : `${quote(name.table)} `}${sql.slice(from, end.at)}`;
  return {
    verb: kind,
    table: name.table,
    text: sql.slice(0, end.at),
    parameters: parameters.slice(0, end.marks),
    matched:
      kind === "insert" || isJoined
        ? null
        : {
            toSelect: (columns) => `${before}select ${columns.map(quote).join(", ")} from ${after}`,
            parameters: [...parameters.slice(0, verb.marks), ...parameters.slice(marks, end.marks)],
          },
  };
}

/** A name as SQLite quotes it. */
export function quote(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

/** What stands outside of all parentheses, without strings and comments. */
function readOuterTokens(sql: string): Token[] | null {
  const tokens: Token[] = [];
  let depth = 0;
  let marks = 0;
  for (const { 0: text, index: at } of sql.matchAll(TOKEN)) {
    const first = text[0] ?? "";
    if (first === "'" || first === "-" || first === "/") continue;
    if (text === "(") depth += 1;
    else if (text === ")") depth -= 1;
    else if (text === "?") marks += 1;
    else if (first === "?" || first === ":" || first === "@" || first === "$") return null;
    else if (depth === 0) tokens.push({ text, at, marks });
  }
  return tokens;
}

/** The table behind INSERT INTO, UPDATE or DELETE FROM, and where its name begins. */
function findName(tokens: readonly Token[]): { table: string; start: Token } | null {
  const verb = tokens[0]?.text.toLowerCase() ?? "";
  const start =
    verb === "update"
      ? tokens[tokens[1]?.text.toLowerCase() === "or" ? 3 : 1]
      : tokens[tokens.findIndex(({ text }) => /^(?:into|from)$/i.test(text)) + 1];
  if (start === undefined) return null;
  const position = tokens.indexOf(start);
  const isQualified = tokens[position + 1]?.text === ".";
  const table = isQualified ? tokens[position + 2] : start;
  return table === undefined ? null : { table: toName(table.text), start };
}

function toName(written: string): string {
  const [first = ""] = written;
  if (!'"`['.includes(first)) return written;
  const close = first === "[" ? "]" : first;
  return written.slice(1, -1).replaceAll(close + close, close);
}
