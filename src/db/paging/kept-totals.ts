import type { Condition } from "./kept-queries.ts";

/** Of a table, and characters of a key: clients choose what they look for. */
const MAX_KEPT = 200;
const MAX_KEY_LENGTH = 500;

const KEPT_TYPES = new Set(["string", "number", "boolean"]);
const NAMES_AND_TEXTS = /`(?:[^`]|``)*`|'(?:[^']|'')*'/g;
const WORD = /[a-z_]\w*/gi;
const LASTING = new Set("and between escape false in is like not null or true".split(" "));

/**
 * How many rows of a table meet conditions, for as long as nobody commits anything. Conditions whose outcome changes by
 * itself aren't kept: one with a function may ask for the time, one with a subquery may have such a function in it.
 */
export class KeptTotals {
  #token: number | null = null;
  readonly #totals = new Map<string, number>();
  /** By the text of a condition. */
  readonly #areLasting = new Map<string, boolean>();

  /** @param token another one than it was noted with, once anything has been committed since */
  find(token: number, condition: Condition): number | undefined {
    if (this.#token !== token) return undefined;
    const key = toKey(condition);
    return key === null ? undefined : this.#totals.get(key);
  }

  note(token: number, condition: Condition, total: number): void {
    if (!this.#isLasting(condition.sql)) return;
    const key = toKey(condition);
    if (key === null) return;
    if (this.#token !== token || this.#totals.size >= MAX_KEPT) this.#totals.clear();
    this.#token = token;
    this.#totals.set(key, total);
  }

  #isLasting(text: string): boolean {
    const known = this.#areLasting.get(text);
    if (known !== undefined) return known;
    const words = text.replace(NAMES_AND_TEXTS, "").match(WORD) ?? [];
    const isLasting = words.every((word) => LASTING.has(word.toLowerCase()));
    if (this.#areLasting.size >= MAX_KEPT) this.#areLasting.clear();
    this.#areLasting.set(text, isLasting);
    return isLasting;
  }
}

/** Null for values that JSON makes others of, and for what is long. */
function toKey({ sql, params }: Condition): string | null {
  if (params.length === 0) return sql;
  if (!params.every((value) => KEPT_TYPES.has(typeof value) && !isWithoutJson(value))) return null;
  const key = `${sql}\0${JSON.stringify(params)}`;
  return key.length > MAX_KEY_LENGTH ? null : key;
}

/** NaN and the infinite numbers are null there. */
function isWithoutJson(value: unknown): boolean {
  return typeof value === "number" && !Number.isFinite(value);
}
