import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";

/** Levels of arrays and objects within each other that JSON of a request may have. */
export const MAX_JSON_DEPTH = 64;

const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Parses JSON of a stranger. What looks at a value level by level takes the square of its depth: so the depth is bounded
 * before there is a value.
 *
 * @throws AppError nested_too_deep, parse_error
 */
export function parseJson(text: string): unknown {
  if (isDeeper(text, MAX_JSON_DEPTH)) throw tooDeep("JSON");
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw fail("parse_error", "Cannot read the body: it is not what its content-type says", { cause });
  }
}

/** Creates the error about what has more levels than it may. */
export function tooDeep(what: string): AppError {
  return fail("nested_too_deep", `Cannot read ${what} of more than ${MAX_JSON_DEPTH} levels`);
}

/** Whether arrays and objects stand in each other more than `levels` deep; of what isn't JSON, either answer will do. */
function isDeeper(text: string, levels: number): boolean {
  if (text.length <= 2 * levels) return false; // each level is opened and closed
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      if (at === -1) return false;
    } else if (code === 91 || code === 123) {
      depth += 1;
      if (depth > levels) return true;
    } else if (code === 93 || code === 125) depth -= 1;
  }
  return false;
}

/** Index of the quote that ends the string which begins at `start`, -1 for none. */
function endOfString(text: string, start: number): number {
  let from = start + 1;
  for (;;) {
    const end = text.indexOf('"', from);
    if (end === -1) return -1;
    let first = end;
    while (first > from && text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
    if ((end - first) % 2 === 0) return end;
    from = end + 1;
  }
}
