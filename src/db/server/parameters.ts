import { DatabaseError } from "../contract/database-error.ts";

/**
 * Returns the value as a driver may be given it. An object or an array is none: mysql2 would write it as SQL of
 * several values, postgres.js as "[object Object]".
 *
 * @throws DatabaseError
 */
export function toBindable(value: unknown, sql: string): unknown {
  if (value === undefined) throw unbindable("it is undefined; use null", sql);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw unbindable("an object or an array isn't a value of a column", sql);
}

function unbindable(reason: string, sql: string): DatabaseError {
  return new DatabaseError("parameter", `Cannot use a value: ${reason}`, { sql });
}
