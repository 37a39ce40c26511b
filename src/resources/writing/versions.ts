import { fail } from "../../errors/codes.ts";
import { toJsonText } from "../../web/answers.ts";
import type { Access } from "../access/access.ts";
import type { Row } from "../reading/expand.ts";

const TAGS = /(?:W\/)?"[^"]*"/g;

/**
 * The ETag of a row (RFC 9110, 8.8.3): another one once anything is that whoever asks may see of it. Of a hash of all columns, they could
 * guess those that they may not see.
 */
export function toETag(row: Row, access: Access): string {
  return `"${Bun.hash(toJsonText(access.pick(row))).toString(36)}"`;
}

/**
 * Holds a change to the row that its client has read (RFC 9110, 13.1.1).
 *
 * @param ifMatch the header of the request; null for none
 * @throws AppError precondition_failed with the row as it is now, as `current`
 */
export function assertMatch(ifMatch: string | null, row: Row, access: Access): void {
  if (ifMatch === null || ifMatch.trim() === "*") return;
  const current = toETag(row, access);
  if ([...ifMatch.matchAll(TAGS)].some(([tag]) => tag === current)) return;
  throw fail(
    "precondition_failed",
    "The row has changed since it was read: look at it, and change it again",
    {
      headers: { etag: current },
      members: { current: access.pick(row) },
    },
  );
}
