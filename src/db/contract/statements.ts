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

/** A write that changes nothing, and is refused where no write can work. */
export const PROBE = "update xcore_migrations set name = name where 1 = 0";

/** Told of each statement that was run, or failed: its text with placeholders, never its values. */
export type OnQuery = (sql: string, durationMs: number) => void;

/** Returns what logs statements; null when they aren't wanted. */
export function createQueryLog(echo: boolean, log: Logger): OnQuery | null {
  if (!echo) return null;
  return (sql, durationMs) => {
    log.info({ sql, duration_ms: Math.round(durationMs * 1000) / 1000 }, "query");
  };
}
