import { AppError } from "../errors/app-error.ts";
import { PluginError } from "../plugins/failure.ts";

/** What a person should read of an error that ends a command: the stack only of what nobody expected. */
export function describeFailure(error: unknown): string {
  if (error instanceof PluginError) return describePluginError(error);
  if (!(error instanceof Error)) return String(error);
  const isExpected = error instanceof AppError || "syscall" in error;
  return isExpected ? error.message : (error.stack ?? error.message);
}

/** Why a plugin can't be used, after the place in its source. */
export function describePluginError({ location, message }: PluginError): string {
  return location === null ? message : `${location}: ${message}`;
}
