import type { Logger } from "pino";

/** Told of each statement that was run, or failed: its text with placeholders, never its values. */
export type OnQuery = (sql: string, durationMs: number) => void;

/** Returns what logs statements; null when they aren't wanted. */
export function createQueryLog(echo: boolean, log: Logger): OnQuery | null {
  if (!echo) return null;
  return (sql, durationMs) => {
    log.info({ sql, duration_ms: Math.round(durationMs * 1000) / 1000 }, "query");
  };
}
