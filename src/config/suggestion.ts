import { closestWord, countEdits, toPlain } from "../errors/suggestion.ts";
import type { KeyPath } from "./json/values.ts";
import { configKeys, schemaAt, sectionOf } from "./schema-node.ts";

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
  const siblings = Object.keys(sectionOf(schemaAt(parents) ?? {}).properties ?? {});
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
