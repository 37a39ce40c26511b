import type { Logger } from "pino";

/** Told of each statement that was run: its text with placeholders, never its values. */
export type OnQuery = (sql: string, durationMs: number) => void;

/** Returns what logs statements; null when they aren't wanted. */
export function createQueryLog(echo: boolean, log: Logger): OnQuery | null {
  if (!echo) return null;
  return (sql, durationMs) => log.info({ sql, durationMs: Math.round(durationMs * 100) / 100 }, "query");
}
