import { fail } from "../../errors/codes.ts";
import type { Row } from "../reading/expand.ts";

const TAGS = /(?:W\/)?"[^"]*"/g;

/** The ETag of a row (RFC 9110, 8.8.3): another one once any of its columns is. */
export function toETag(row: Row): string {
  return `"${Bun.hash(JSON.stringify(row)).toString(36)}"`;
}

/**
 * Holds a change to the row that its client has read (RFC 9110, 13.1.1).
 *
 * @param ifMatch the header of the request; null for none
 * @throws AppError precondition_failed with the row as it is now, as `current`
 */
export function assertMatch(ifMatch: string | null, row: Row, show: () => Row): void {
  if (ifMatch === null || ifMatch.trim() === "*") return;
  if ([...ifMatch.matchAll(TAGS)].some(([tag]) => tag === toETag(row))) return;
  throw fail(
    "precondition_failed",
    "The row has changed since it was read: look at it, and change it again",
    {
      headers: { etag: toETag(row) },
      members: { current: show() },
    },
  );
}
