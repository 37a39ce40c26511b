import { isRead } from "../contract/statements.ts";
import type { TableWrite } from "../contract/driver.ts";

interface Token {
  /** In small letters. */
  readonly text: string;
  readonly isQuoted: boolean;
}

/** Strings and comments, which are left out, quoted names, words, and what stands between them. */
const TOKEN =
  /'(?:[^'\\]|''|\\[^])*'|\$(\w*)\$[^]*?\$\1\$|--[^\n]*|\/\*[^]*?\*\/|"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|\[([^\]]*)\]|([a-z_\u0080-\uffff][\w$\u0080-\uffff]*)|([.,();])/gi;

/** Statements that change no row, or none that anybody could have seen. */
const HARMLESS =
  /^\s*(?:set|pragma|use|analyze|vacuum|optimize|listen|notify|unlisten|lock|unlock|declare|fetch|close|discard|checkpoint|reset|deallocate|create|comment|grant|revoke)\b/i;

const MODIFIERS = new Set(
  "or replace ignore abort rollback fail low_priority delayed high_priority quick only into table".split(" "),
);
/** Before "update", these make it a part of another statement. */
const NO_UPDATE = new Set(["for", "do", "key", "no", "on"]);
const ANY: readonly null[] = [null];

/** Finds the tables that a statement writes to, as far as its text tells; null stands for any. */
export function findWrites(sql: string): readonly (TableWrite | null)[] {
  if (isRead(sql)) return [];
  const writes = new Reader(sql).read();
  return writes.length > 0 || HARMLESS.test(sql) ? writes : ANY;
}

class Reader {
  readonly #tokens: readonly Token[];
  readonly #writes: TableWrite[] = [];

  constructor(sql: string) {
    this.#tokens = [...sql.matchAll(TOKEN)].flatMap(toToken);
  }

  read(): readonly TableWrite[] {
    for (let at = 0; at < this.#tokens.length; at++) {
      switch (this.#word(at)) {
        case "insert":
        case "replace":
          this.#readInsert(at);
          break;
        case "update":
          this.#readUpdate(at);
          break;
        case "delete":
          this.#readDelete(at);
          break;
        case "truncate":
          this.#readNames(this.#skip(at + 1), "delete");
          break;
        case "merge":
          for (const verb of ["insert", "update", "delete"] as const)
            this.#readNames(this.#skip(at + 1), verb);
          break;
        case "copy":
          if (at === 0) this.#readNames(1, "insert");
          break;
        case "into":
          if (this.#word(0) === "load") this.#readNames(this.#skip(at), "insert");
          break;
        default:
      }
    }
    return this.#writes;
  }

  /** `replace into` deletes the row that is in the way, and `insert or replace` does. */
  #readInsert(at: number): void {
    const start = this.#skip(at + 1);
    const modifiers = this.#tokens.slice(at, start).map(({ text }) => text);
    const isInsert =
      this.#word(at) === "insert" ? this.#word(at - 1) !== "instead" : modifiers.includes("into");
    if (!isInsert || this.#word(at - 1) === "or") return;
    this.#readName(start, "insert");
    if (modifiers.includes("replace")) this.#readName(start, "delete");
    this.#lastInsert = start;
  }

  #lastInsert = -1;

  #readUpdate(at: number): void {
    if (NO_UPDATE.has(this.#word(at - 1))) {
      // "on conflict do update" and "on duplicate key update"
      const isUpsert = ["do", "key"].includes(this.#word(at - 1));
      if (isUpsert && this.#lastInsert >= 0) this.#readName(this.#lastInsert, "update");
      return;
    }
    this.#readNames(this.#skip(at + 1), "update", "set");
  }

  #readDelete(at: number): void {
    if (this.#word(at - 1) === "on") return;
    const start = this.#skip(at + 1);
    // MySQL names them before "from" where it joins.
    if (this.#word(start) !== "from") this.#readNames(start, "delete");
    else this.#readNames(this.#skip(start + 1), "delete");
  }

  /** Reads a name, and those that follow behind commas and joins, up to a word. */
  #readNames(start: number, verb: TableWrite["verb"], end?: string): void {
    let at = this.#readName(start, verb);
    while (at < this.#tokens.length) {
      const word = this.#word(at);
      if (word === "," || word === "join") at = this.#readName(at + 1, verb);
      else if (end === undefined || word === end || word === ";") return;
      else at += 1;
    }
  }

  /** @returns where it ends */
  #readName(start: number, verb: TableWrite["verb"]): number {
    let at = start;
    while (this.#tokens[at + 1]?.text === "." && !this.#tokens[at + 1]?.isQuoted) at += 2;
    const token = this.#tokens[at];
    if (token !== undefined && !".,();".includes(token.text || "."))
      this.#writes.push({ table: token.text, verb });
    return at + 1;
  }

  #skip(start: number): number {
    let at = start;
    while (MODIFIERS.has(this.#word(at))) at += 1;
    return at;
  }

  /** A word of SQL: no name that is quoted. */
  #word(at: number): string {
    const token = this.#tokens[at];
    return token === undefined || token.isQuoted ? "" : token.text;
  }
}

function toToken([, , double, back, bracket, word, mark]: RegExpMatchArray): Token[] {
  const quoted = double?.replaceAll('""', '"') ?? back?.replaceAll("``", "`") ?? bracket;
  if (quoted !== undefined) return [{ text: quoted.toLowerCase(), isQuoted: true }];
  const text = word ?? mark;
  return text === undefined ? [] : [{ text: text.toLowerCase(), isQuoted: false }];
}
