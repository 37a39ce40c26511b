import { and, eq, gt, notInArray, or, type SQL, sql } from "drizzle-orm";
import { createHash } from "node:crypto";
import type { Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { contains } from "../../db/schema/portable-sql.ts";
import type { Access } from "../access/access.ts";
import type { Resource } from "../definition/definition.ts";
import type { Row } from "../reading/expand.ts";

export type HistoryTable = CoreTables["resourceHistory"];
export type HistoryVerb = "create" | "update" | "delete" | "restore" | "revert";

/** What a column was, and what it became, but for what was too long to be kept. */
export interface Change {
  readonly before?: unknown;
  readonly after?: unknown;
  /** Whether one of them is missing. */
  readonly omitted?: true;
}

export type Changes = Readonly<Record<string, Change>>;

/** What was done to a row. */
export interface Entry {
  readonly verb: HistoryVerb;
  /** Null for a new row. */
  readonly before: Row | null;
  /** Null for one that is gone. */
  readonly after: Row | null;
  readonly actorId: number | null;
  /** The administrator who viewed as the actor; null for the actor alone. */
  readonly viewerId: number | null;
}

const MAX_KEY = 255; // characters
const MAX_VALUE = 64 * 1024; // characters of JSON
const MAX_CHANGES = 1024 * 1024; // characters of JSON

/** Notes what was done to a row, in the transaction that has done it; nothing where nothing has changed. */
export async function writeEntry(
  tx: Transaction,
  { history, resource }: { readonly history: HistoryTable; readonly resource: Resource },
  { verb, before, after, actorId, viewerId }: Entry,
): Promise<void> {
  const changes = toChanges(resource, before, after);
  if (changes === "{}") return;
  const key = (after ?? before)?.[resource.key.name];
  await tx.insert(history).values({
    table_name: resource.tableName,
    row_key: toRowKey(key),
    verb,
    actor_id: actorId,
    viewer_id: viewerId,
    changes,
  });
}

/** The key of a row as it is noted: one that is too long by its digest. */
export function toRowKey(key: unknown): string {
  const text = String(key);
  return text.length <= MAX_KEY ? text : `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/**
 * The entries of a row.
 *
 * @param isThere whether it is in the table: then what was before a deletion is of another row that had the same key
 */
export function entriesOf(
  history: HistoryTable,
  { tableName, deletedAt }: Resource,
  { key, isThere }: { readonly key: unknown; readonly isThere: boolean },
): SQL | undefined {
  const isOfRow = and(eq(history.table_name, tableName), eq(history.row_key, toRowKey(key)));
  if (!isThere || deletedAt !== null) return isOfRow;
  const last = sql`(select coalesce(max(${history.id}), 0) from ${history} where ${and(isOfRow, eq(history.verb, "delete"))})`;
  return and(isOfRow, gt(history.id, last));
}

/** Entries that are told of for what changed, and not for what was done. */
export const CHANGING: readonly HistoryVerb[] = ["update", "revert"];

/** The entries of which whoever asks may see anything: of a change of fields that are hidden from them, nothing is told. */
export function entriesFor(history: HistoryTable, { resource, visible }: Access): SQL | undefined {
  if (visible.size === resource.columns.size) return undefined;
  // As a key of JSON it can't stand within a text, where its quotes have backslashes.
  const named = [...visible.keys()].map((name) => contains(history.changes, `${JSON.stringify(name)}:{`));
  return or(notInArray(history.verb, [...CHANGING]), ...named);
}

/** Reads what an entry holds. */
export function readChanges(text: string): Changes {
  return JSON.parse(text) as Changes;
}

function toChanges({ columns }: Resource, before: Row | null, after: Row | null): string {
  const parts: string[] = [];
  let length = 2;
  for (const name of columns.keys()) {
    const [was, is] = [toJson(before?.[name]), toJson(after?.[name])];
    if (was === is) continue;
    const room = Math.min(MAX_VALUE, MAX_CHANGES - length);
    const part = `${JSON.stringify(name)}:${toChange(was, is, room)}`;
    length += part.length + 1;
    parts.push(part);
  }
  return `{${parts.join(",")}}`;
}

function toChange(before: string, after: string, room: number): string {
  const sides = [
    ...(before.length <= room ? [`"before":${before}`] : []),
    ...(after.length <= room ? [`"after":${after}`] : []),
  ];
  return `{${[...sides, ...(sides.length < 2 ? ['"omitted":true'] : [])].join(",")}}`;
}

function toJson(value: unknown): string {
  return value === undefined ? "null" : JSON.stringify(value);
}
