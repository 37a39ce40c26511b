import { toPrintable } from "../../errors/printable.ts";

/** Where a value stands in a JSON document: the keys and array indices that lead to it from the top. */
export type KeyPath = readonly (string | number)[];

/** Writes a path as people write it in JavaScript: `server.cors.allow_origins[0]`, "" for the top. */
export function formatKeyPath(path: KeyPath): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[\w$-]{1,100}$/.test(key)) text += text === "" ? key : `.${key}`;
    else text += `[${quote(key)}]`;
  }
  return text;
}

/** Tells whether `path` is `prefix` itself or lies below it. */
export function startsWithPath(path: KeyPath, prefix: KeyPath): boolean {
  return prefix.length <= path.length && prefix.every((key, index) => key === path[index]);
}

const MAX_QUOTE = 60; // characters

/** Writes any value as one line of JSON that is safe to print, cut after 60 characters. */
export function quote(value: unknown): string {
  const isJson = typeof value !== "number" || Number.isFinite(value);
  const json = (isJson ? JSON.stringify(value) : undefined) ?? String(value);
  const cut = json.length > MAX_QUOTE ? `${json.slice(0, MAX_QUOTE - 1).toWellFormed()}…` : json;
  return toPrintable(cut); // JSON leaves some characters as they are
}
