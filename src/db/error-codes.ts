import { AppError } from "../errors/app-error.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { DatabaseError, type DatabaseFault } from "./database-error.ts";

export const DATABASE_ERROR_CODES = {
  database_unavailable: {
    status: 503,
    meaning: "The database can't answer now; try again, as retry-after says",
  },
} as const satisfies Record<string, ErrorCode>;

const PASSING_FAULTS: ReadonlySet<DatabaseFault> = new Set(["busy", "unavailable", "serialization"]);
const RETRY_AFTER = "1"; // seconds

/** Returns what the client is told of a fault that passes by itself, and any other error as it is. */
export function toClientError(error: unknown): unknown {
  if (!(error instanceof DatabaseError) || !PASSING_FAULTS.has(error.fault)) return error;
  return new AppError("database_unavailable", 503, "The database can't answer now: try again", {
    cause: error,
    headers: { "retry-after": RETRY_AFTER },
  });
}
