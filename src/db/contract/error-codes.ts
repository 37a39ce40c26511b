import { createFail, type ErrorCode } from "../../errors/codes.ts";
import { DatabaseError, type DatabaseFault, toFieldPath } from "./database-error.ts";

export const DATABASE_ERROR_CODES = {
  database_unavailable: {
    status: 503,
    meaning: "The database can't answer now; try again, as retry-after says",
  },
  database_timeout: {
    status: 503,
    meaning: "A query, or the transaction around it, took longer than it may; nothing of it is kept",
  },
  outcome_unknown: {
    status: 503,
    meaning:
      "The connection to the database was lost before it answered: the change was made or it wasn't; look before you make it again",
  },
} as const satisfies Record<string, ErrorCode>;

/** Makes the AppError of a code of the database, or of one that all slices share. */
export const fail = createFail(DATABASE_ERROR_CODES);

const PASSING_FAULTS: ReadonlySet<DatabaseFault> = new Set(["busy", "unavailable", "serialization"]);
const RETRY_AFTER = "1"; // seconds

/** Values mostly come from the request; the messages name columns and checks, never values. */
const INPUT_FAULTS: ReadonlySet<DatabaseFault> = new Set(["value", "check", "not_null"]);

/** Returns what the client is told of a fault that passes by itself or lies in its data, else the error as it is. */
export function toClientError(error: unknown): unknown {
  if (!(error instanceof DatabaseError)) return error;
  if (INPUT_FAULTS.has(error.fault)) {
    const { message, column, fault } = error;
    const code = fault === "not_null" ? "required" : "invalid";
    return fail("validation_error", message, {
      cause: error,
      errors: [{ path: toFieldPath(column), code, message }],
    });
  }
  if (error.fault === "outcome") {
    const message =
      "The connection to the database was lost before it answered: look whether the change was made before you make it again";
    return fail("outcome_unknown", message, { cause: error });
  }
  if (error.fault === "timeout") {
    return fail("database_timeout", "The database took too long: nothing was changed", { cause: error });
  }
  if (!PASSING_FAULTS.has(error.fault)) return error;
  return fail("database_unavailable", "The database can't answer now: try again", {
    cause: error,
    headers: { "retry-after": RETRY_AFTER },
  });
}
