import type { Logger } from "pino";

/** Whether a statement only reads, as far as its first words tell. */
export function isRead(statement: string): boolean {
  return (
    /^[\s(]*(?:select|show|explain|values)\b/i.test(statement) ||
    /^\s*with\b(?!.*\b(?:insert|update|delete|replace\s+into)\b)/is.test(statement)
  );
}

/** Whether a statement is one insert, update or delete, which opens and ends no transaction, as far as its text tells. */
export function isWrite(statement: string): boolean {
  return /^\s*(?:insert|update|delete|replace|with)\b/i.test(statement) && !statement.includes(";");
}

// What may stand before the first word. MySQL runs what stands in a comment that begins with an exclamation mark.
const BEFORE = String.raw`^(?:[\s;(]|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|/\*(?!M?!)(?:[^*]|\*(?!/))*\*/|/\*M?!\d*)*`;
const CONTROL = new RegExp(
  String.raw`${BEFORE}(?:begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction|xa)\b`,
  "i",
);
const SETTING = new RegExp(
  String.raw`${BEFORE}(?:set|reset|discard|lock|unlock|prepare|execute|deallocate|declare|handler|listen|unlisten|load|use|call|do|create\s+(?:(?:global|local)\s+)?temp)`,
  "i",
);
const COMMITTING = new RegExp(
  String.raw`${BEFORE}(?:(?:create|drop)(?!\s+temporary)|alter|truncate|rename|grant|revoke|analyze|optimize|repair|check|flush|lock|unlock)\b`,
  "i",
);

/** Refuses what begins or ends a transaction: others would write into it, and lose that with it. @throws TypeError */
export function assertNoControl(statement: string): void {
  if (!CONTROL.test(statement)) return;
  throw new TypeError("Cannot begin or end a transaction by a query: use db.transaction()");
}

/** Whether a statement may leave something on its connection, such as a setting or a lock, as far as its text tells. */
export function isSetting(statement: string): boolean {
  return SETTING.test(statement);
}

/** Whether MySQL commits before it runs a statement, as far as its text tells. */
export function isCommittedByMysql(statement: string): boolean {
  return COMMITTING.test(statement);
}

/** A write that changes nothing, and is refused where no write can work. */
export const PROBE = "update xcore_migrations set name = name where 1 = 0";

/** Told of each statement that was run, or failed: its text with placeholders, never its values. */
export type OnQuery = (sql: string, durationMs: number) => void;

/** What a statement does, as far as its first words tell. */
export type StatementKind = "read" | "write" | "execute";

/** Has a statement be run by `run`, and passes on what comes of it: with its wait for a turn, or for a connection. */
export type QueryWatch = <T>(kind: StatementKind, sql: string, run: () => Promise<T>) => Promise<T>;

/** Returns what logs statements; null when they aren't wanted. */
export function createQueryLog(echo: boolean, log: Logger): OnQuery | null {
  if (!echo) return null;
  return (sql, durationMs) => {
    log.info({ sql, duration_ms: Math.round(durationMs * 1000) / 1000 }, "query");
  };
}
