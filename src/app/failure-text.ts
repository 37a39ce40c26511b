import { DatabaseError } from "../db/contract/database-error.ts";
import { InvalidMigrationError, MigrationError } from "../db/migrations/migration-error.ts";
import { AppError } from "../errors/app-error.ts";
import { toPrintable } from "../errors/printable.ts";
import { PluginError } from "../plugins/failure/failure.ts";

const EXPECTED_ERRORS = [AppError, DatabaseError, MigrationError, InvalidMigrationError];

/** What a person should read of an error that ends a command: the stack only of what nobody expected. */
export function describeFailure(error: unknown): string {
  if (error instanceof PluginError) return describePluginError(error);
  if (!(error instanceof Error)) return String(error);
  const isExpected = EXPECTED_ERRORS.some((type) => error instanceof type) || "syscall" in error;
  return isExpected ? error.message : (error.stack ?? error.message);
}

/** Why a plugin can't be used, after the place in its source. */
export function describePluginError({ location, message }: PluginError): string {
  return location === null ? message : `${toPrintable(location)}: ${message}`;
}

/** Where code that was to be loaded can't be read, as `bun --hot` finds it; null for any other error. */
export function describeBuildFailure(error: unknown): string | null {
  const mistakes: unknown[] = error instanceof AggregateError ? error.errors : [error];
  const lines = mistakes.flatMap((mistake) => {
    if (!(mistake instanceof BuildMessage) && !(mistake instanceof ResolveMessage)) return [];
    const { message, position } = mistake;
    return position === null ? message : `${position.file}:${position.line}:${position.column}: ${message}`;
  });
  return lines.length === 0 ? null : lines.join("\n");
}
