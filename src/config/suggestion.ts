import { distance } from "fastest-levenshtein";
import type { KeyPath } from "./json/values.ts";
import { configKeys, schemaAt } from "./schema-node.ts";

const MAX_LENGTH = 64; // characters; nothing longer is a mistyped key

/** The word of `words` that was most likely meant by `typed`, or `undefined` when none is close. */
export function closestWord(typed: string, words: readonly string[]): string | undefined {
  if (typed.length > MAX_LENGTH) return undefined;
  const plain = toPlain(typed);
  const ranked = words
    .map((word) => ({ word, edits: countEdits(plain, toPlain(word)) }))
    .filter(({ word, edits }) => edits <= maxEdits(Math.min(plain.length, word.length)))
    .toSorted((a, b) => a.edits - b.edits);
  return ranked[0]?.word;
}

/**
 * The path of the key that was most likely meant by an unknown one: a similar key beside it, or the same key
 * in the section where it belongs.
 */
export function suggestKey(path: KeyPath): readonly string[] | undefined {
  const parents = path.slice(0, -1).map(String);
  const typed = String(path.at(-1));
  const keys = configKeys().flatMap((key) => key.path.map((_, index) => key.path.slice(0, index + 1)));
  // XCORE_SERVER_PORT, with one underscore too few, is the whole path of a key.
  const samePath = keys.find((key) => toPlain(key.join("")) === toPlain(path.join("")));
  if (samePath) return samePath;
  const siblings = Object.keys(schemaAt(parents)?.properties ?? {});
  const sibling = closestWord(typed, siblings);
  const sameName = keys.find((key) => toPlain(key.at(-1) ?? "") === toPlain(typed));
  // "cors" is in its wrong place, rather than "jobs" mistyped.
  if (sameName && (sibling === undefined || countEdits(toPlain(typed), toPlain(sibling)) > 1))
    return sameName;
  if (sibling !== undefined) return [...parents, sibling];
  const whole = closestWord(
    path.join("."),
    keys.map((key) => key.join(".")),
  );
  return whole?.split(".");
}

// "allowOrigins", "allow-origins" and "ALLOW_ORIGINS" are all "allow_origins" to whoever typed them.
function toPlain(word: string): string {
  return word.toLowerCase().replace(/[^a-z0-9$]/g, "");
}

// "warning" was meant to be "warn", and "dir" to be "directory", however many letters they differ by.
function countEdits(typed: string, word: string): number {
  const isCut = typed.length >= 3 && (word.startsWith(typed) || typed.startsWith(word));
  return Math.min(distance(typed, word), isCut ? 1 : Number.MAX_SAFE_INTEGER);
}

function maxEdits(length: number): number {
  return length <= 3 ? 1 : length <= 6 ? 2 : 3;
}
