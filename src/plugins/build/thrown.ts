import { namePlugin } from "../../db/contract/database-error.ts";
import { TemplateError } from "../../templates/engine/problems.ts";
import { redactText } from "../../log/redact.ts";
import { PluginError, type PluginStage } from "../failure/failure.ts";
import type { PluginSource } from "../source/files.ts";
import type { SourcePosition, StackTraces } from "../failure/stack-traces.ts";

const MAX_MESSAGE = 2000; // characters

export interface ThrownOptions {
  readonly source: PluginSource;
  readonly stackTraces: StackTraces;
  /** Its name, where it is known. */
  readonly plugin?: string;
}

/**
 * Turns whatever a plugin threw into the reason of its failure, with the place in its source, and maps the stack
 * to its sources. Never throws, however hostile the value. Clients may see the message: it shows neither where
 * the plugins stand on this machine nor the credentials of URLs.
 */
export function toFailure(thrown: unknown, stage: PluginStage, options: ThrownOptions): PluginError {
  if (attempt(() => thrown instanceof PluginError, false)) return thrown as PluginError;
  const { plugin } = options;
  if (plugin !== undefined) attempt(() => namePlugin(thrown, plugin), undefined);
  if (attempt(() => thrown instanceof TemplateError, false)) {
    const { problem, template: file, line, column } = thrown as TemplateError;
    return new PluginError("templates", `Column ${column}: ${problem}`, { file, line, cause: thrown });
  }
  const position = attempt<SourcePosition | null>(() => options.stackTraces.locate(thrown), null);
  attempt(() => mapStack(thrown, options.stackTraces), undefined);
  const said = describe(thrown);
  const placed = attempt(() => options.stackTraces.map(said), said);
  const message = redactText(hidePaths(placed, options));
  const cut = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE).toWellFormed()}…` : message;
  return new PluginError(stage, cut, {
    file: position?.file ?? null,
    line: position?.line ?? null,
    cause: thrown,
  });
}

/** Does a part of a plugin's load. @throws PluginError of that stage for whatever it throws */
export async function atStage<T>(
  stage: PluginStage,
  options: ThrownOptions,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toFailure(error, stage, options);
  }
}

/** Before the maps of this generation are dropped with it. */
function mapStack(thrown: unknown, stackTraces: StackTraces): void {
  if (thrown instanceof Error) thrown.stack = stackTraces.map(String(thrown.stack));
}

function describe(thrown: unknown): string {
  const isError = attempt(() => thrown instanceof Error, false);
  if (!isError) return `thrown: ${attempt(() => String(thrown), "something that can't be shown")}`;
  const name = attempt(() => readText(thrown, "name"), "Error");
  return `${name}: ${attempt(() => readText(thrown, "message"), "a message that can't be read")}`;
}

function readText(error: unknown, key: "name" | "message"): string {
  return String(Reflect.get(error as object, key));
}

function hidePaths(text: string, { source: { paths, shown } }: ThrownOptions): string {
  return paths.reduce((hidden, path) => hidden.replaceAll(path, shown), text);
}

function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
