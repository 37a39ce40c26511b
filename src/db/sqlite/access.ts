import type { Connection } from "./connection.ts";

/** Work on a connection that runs to its end at once. */
export type Task<T> = (connection: Connection) => T;

/** Where the statements of a session run: on the open database, or in one transaction. */
export interface Access {
  /** Runs a task that only reads. */
  read<T>(task: Task<T>): Promise<T>;
  /** Runs a task that may write. */
  write<T>(task: Task<T>): Promise<T>;
}

/** Runs a task now. Its promise is settled already, so that awaiting it costs no turn of the event loop. */
export function runNow<T>(task: Task<T>, connection: Connection): Promise<T> {
  try {
    return Promise.resolve(task(connection));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Whether a statement surely writes nothing. The reading connection refuses writes in any case. */
export function isReading(sql: string): boolean {
  if (/^\s*select\b/i.test(sql)) return true;
  return /^\s*with\b/i.test(sql) && !/\b(?:insert|update|delete|replace)\b/i.test(sql);
}
