import { DatabaseError, type DatabaseFault } from "../contract/database-error.ts";

export interface MigrationFailure {
  /** The plugin, or "core". */
  readonly owner: string;
  /** The migration's name, such as "0001_alter_blog_articles". */
  readonly migration: string;
  /** Its file, as it may be shown. */
  readonly file: string;
  /** The statement that failed, counted from 1; null when none was run. */
  readonly statementNumber?: number | null;
  readonly statement?: string | null;
  /** What the database refused; null when it was never asked. */
  readonly fault?: DatabaseFault | null;
  /** Never an error of a driver: its details hold values. */
  readonly cause?: unknown;
}

/** A migration that can't be read or applied. The message says why, what is in the database now and what to do. */
export class MigrationError extends Error implements MigrationFailure {
  override readonly name = "MigrationError";
  readonly owner: string;
  readonly migration: string;
  readonly file: string;
  readonly statementNumber: number | null;
  readonly statement: string | null;
  readonly fault: DatabaseFault | null;

  constructor(message: string, failure: MigrationFailure) {
    super(message, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.owner = failure.owner;
    this.migration = failure.migration;
    this.file = failure.file;
    this.statementNumber = failure.statementNumber ?? null;
    this.statement = failure.statement ?? null;
    this.fault = failure.fault ?? null;
  }
}

/** What someone wrote isn't a migration, or can't become one. The message says what to mend. */
export class InvalidMigrationError extends Error {
  override readonly name = "InvalidMigrationError";
}

/** What another try may have more luck with. */
const PASSING: ReadonlySet<DatabaseFault> = new Set([
  "serialization",
  "busy",
  "timeout",
  "full",
  "lost",
  "credentials",
  "unavailable",
  "failing",
  "connections",
  "outcome",
  "abandoned",
  "readonly",
]);
const PASSING_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
  "ETIMEDOUT",
  "ConnectionRefused",
  "ConnectionClosed",
  "FailedToOpenSocket",
]);
const MAX_CAUSES = 10;

/** Whether what went wrong, or what it says was the cause, passes by itself: the database is away, or another host is. */
export function isPassing(error: unknown): boolean {
  try {
    let cause = error;
    for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth += 1) {
      if (cause instanceof DatabaseError || cause instanceof MigrationError) {
        return cause.fault !== null && PASSING.has(cause.fault);
      }
      if ("code" in cause && PASSING_CODES.has(String(cause.code))) return true;
      ({ cause } = cause);
    }
  } catch {
    // Whatever a plugin throws may refuse to be read.
  }
  return false;
}
