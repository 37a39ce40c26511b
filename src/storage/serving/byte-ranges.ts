import { fail } from "../../errors/codes.ts";
import type { ByteRange } from "../contract/backend.ts";

const RANGE = /^bytes=(\d*)-(\d*)$/i;

/** What tells one version of a content from another, as headers. */
export interface Version {
  readonly etag: string;
  readonly "last-modified": string;
}

/** Whether the client has this version (RFC 9110, 13): by its tag, or by its date if it sends no tag. */
export function isFresh(asked: Headers, { etag, "last-modified": modified }: Version): boolean {
  const tags = asked.get("if-none-match");
  if (tags !== null) {
    return tags.trim() === "*" || tags.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
  }
  const since = asked.get("if-modified-since");
  return since !== null && Date.parse(modified) <= Date.parse(since);
}

/**
 * The range that a GET asks for (RFC 9110, 14), null for all of it: what isn't a single valid range, or is of another version, is
 * ignored.
 *
 * @throws AppError range_not_satisfiable
 */
export function toRange(
  { method, headers }: Request,
  { etag, "last-modified": modified }: Version,
  size: number,
): ByteRange | null {
  const match = RANGE.exec(headers.get("range") ?? "");
  const condition = headers.get("if-range");
  const isSame = condition === null || condition === etag || condition === modified;
  if (match === null || method !== "GET" || !isSame) return null;
  const [, first = "", last = ""] = match;
  const isReversed = first !== "" && last !== "" && Number(last) < Number(first);
  if ((first === "" && last === "") || isReversed) return null;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (start < end) return { start, end };
  throw fail("range_not_satisfiable", `Cannot send the range: the file has ${size} bytes`, {
    headers: { "content-range": `bytes */${size}` },
  });
}
