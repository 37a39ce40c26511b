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
  request_abandoned: {
    status: 499,
    meaning:
      "The client closed its connection before its change was begun; nothing was changed, and the log has it in place of an answer",
  },
  database_connections_exhausted: {
    status: 503,
    meaning: "The database has no more connections to give; try again, as retry-after says",
  },
  database_access_denied: {
    status: 503,
    meaning:
      "The database refuses the server's user, its password or what it asks for: an administrator has to act",
  },
  database_read_only: {
    status: 503,
    meaning: "The database can be read and not written now",
  },
  database_full: {
    status: 507,
    meaning: "The database's disk is full; nothing was changed",
  },
  database_file_lost: {
    status: 503,
    meaning:
      "The database's file was deleted, moved, replaced or emptied while it is open: nothing was changed, and an administrator has to act",
  },
  database_damaged: {
    status: 503,
    meaning: "The database's files are damaged: an administrator has to act",
  },
} as const satisfies Record<string, ErrorCode>;

/** Makes the AppError of a code of the database, or of one that all slices share. */
export const fail = createFail(DATABASE_ERROR_CODES);

const RETRY_AFTER = "1"; // seconds

interface ClientError {
  readonly code: keyof typeof DATABASE_ERROR_CODES;
  readonly message: string;
  /** Whether the same request may succeed a moment later. */
  readonly passes?: boolean;
}

const UNAVAILABLE: ClientError = {
  code: "database_unavailable",
  message: "The database can't answer now: try again",
  passes: true,
};

/** What is the database's matter, and no mistake of the code that asked it. */
const CLIENT_ERRORS: Readonly<Partial<Record<DatabaseFault, ClientError>>> = {
  busy: UNAVAILABLE,
  unavailable: UNAVAILABLE,
  serialization: UNAVAILABLE,
  failing: UNAVAILABLE,
  timeout: { code: "database_timeout", message: "The database took too long: nothing was changed" },
  outcome: {
    code: "outcome_unknown",
    message:
      "The connection to the database was lost before it answered: look whether the change was made before you make it again",
  },
  abandoned: { code: "request_abandoned", message: "The client gave up: nothing was changed" },
  connections: {
    code: "database_connections_exhausted",
    message: "The database has no more connections to give: try again",
    passes: true,
  },
  credentials: {
    code: "database_access_denied",
    message: "The database refuses this server: tell its administrator",
  },
  readonly: { code: "database_read_only", message: "The database can only be read now: nothing was changed" },
  full: { code: "database_full", message: "The database has no space left: nothing was changed" },
  lost: {
    code: "database_file_lost",
    message: "The database's file isn't where it was: nothing was changed; tell its administrator",
  },
  corrupt: { code: "database_damaged", message: "The database is damaged: tell its administrator" },
};

/** Values mostly come from the request; the messages name columns and checks, never values. */
const INPUT_FAULTS: ReadonlySet<DatabaseFault> = new Set(["value", "check", "not_null"]);

/** Returns what the client is told of a fault that is the database's or lies in its data, else the error as it is. */
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
  const told = CLIENT_ERRORS[error.fault];
  if (told === undefined) return error;
  const { code, message, passes = false } = told;
  return fail(code, message, { cause: error, ...(passes && { headers: { "retry-after": RETRY_AFTER } }) });
}
