import { kindOf } from "../../db/schema/column-kind.ts";
import type { Resource } from "../definition/definition.ts";
import type { Row } from "../reading/expand.ts";

export type Key = string | number;

/** That a row has changed: what it is now is in the database. */
export interface Notice {
  readonly key: Key;
  /** What it was, but for values that are long; null for one that wasn't there. */
  readonly before: Row | null;
  /** Names of the columns that have other values now; undefined where that isn't known. */
  readonly changed?: readonly string[];
}

const MAX_TEXT = 1024; // characters
const MAX_LENGTH = 32 * 1024; // characters of JSON

/** Takes of a row what tells who could see it. */
export function toNotice({ key, columns }: Resource, before: Row | null, after: Row | null): Notice {
  const id = (after ?? before)?.[key.name] as Key;
  if (before === null) return { key: id, before: null };
  const kept: Row = {};
  for (const [name, column] of columns) {
    const value = before[name];
    if (kindOf(column).type === "json" || (typeof value === "string" && value.length > MAX_TEXT)) continue;
    kept[name] = value;
  }
  if (after === null) return { key: id, before: kept };
  const changed = [...columns.keys()].filter((name) => !Bun.deepEquals(before[name], after[name]));
  return { key: id, before: kept, changed };
}

/** Notices as JSON lists, none of which is longer than a change of the feed may be. */
export function* toLists(notices: readonly Notice[]): Generator<readonly Notice[]> {
  let list: Notice[] = [];
  let length = 0;
  for (const notice of notices) {
    const own = JSON.stringify(notice).length;
    const one = own > MAX_LENGTH ? { ...notice, before: null } : notice;
    if (list.length > 0 && length + own > MAX_LENGTH) {
      yield list;
      [list, length] = [[], 0];
    }
    list.push(one);
    length += Math.min(own, MAX_LENGTH);
  }
  if (list.length > 0) yield list;
}

/** Reads a notice of another instance; null for what is none of this table. */
export function readNotice({ key, columns }: Resource, value: unknown): Notice | null {
  if (typeof value !== "object" || value === null) return null;
  const { key: id, before, changed } = value as Partial<Record<keyof Notice, unknown>>;
  if (typeof id !== "string" && typeof id !== "number") return null;
  try {
    key.mapToDriverValue(id);
    if (typeof before !== "object" || before === null) return { key: id, before: null };
    const row: Row = {};
    for (const [name, column] of columns) {
      const given = (before as Row)[name];
      if (given === undefined || given === null) continue;
      row[name] = kindOf(column).type === "timestamp" && typeof given === "string" ? new Date(given) : given;
      column.mapToDriverValue(row[name]);
    }
    return { key: id, before: row, ...(isNames(changed) && { changed }) };
  } catch {
    return null;
  }
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}
