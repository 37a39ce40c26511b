import { sha256 } from "../../files/sha256.ts";

const GUARD = /xcore_needs_[0-9a-f]{6}_(\w+)/;

/**
 * Names the check that stands in for a column that is to be required, on MySQL: it can't undo what took effect before it
 * would notice that rows have no value. Names of checks are of the whole database.
 */
export function toRequiredGuard(table: string, column: string): string {
  return `xcore_needs_${sha256(table).slice(0, 6)}_${column}`.slice(0, 64);
}

/** Finds the column that such a check stands in for, in a message that names it. */
export function findGuardedColumn(message: string): string | null {
  return GUARD.exec(message)?.[1] ?? null;
}
