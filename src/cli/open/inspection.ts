import { Console } from "node:console";
import type { Command } from "commander";
import type { App } from "../../app/app.ts";
import type { JsonObject } from "../../config/json/values.ts";
import type { LoadedConfig } from "../../config/load.ts";
import type { ConfigOverrides } from "../../config/schema.ts";
import { describePluginError } from "../../plugins/failure/failure.ts";
import { type CommandContext, loadFor } from "./command-context.ts";

/**
 * Loads the plugins without starting anything of theirs, lets `look` look at them, and drops them again.
 * Whatever they print goes to standard error, and what fails later in code that they left running too.
 */
export async function inspect<T>(
  command: Command,
  context: CommandContext,
  look: (app: App) => T | Promise<T>,
  { flags = {}, shared = {}, goesOn = false }: InspectOptions = {},
): Promise<T> {
  const loaded = loadFor(command, context, flags, shared);
  const work = async (app: App): Promise<T> => {
    await app.plugins.start();
    await app.plugins.settled();
    return look(app);
  };
  return withInspectingApp(loaded, context, work, { goesOn });
}

export interface InspectOptions {
  readonly flags?: ConfigOverrides;
  /** Keys that were set on all instances. */
  readonly shared?: JsonObject;
  /** Whether plugins are to run in this process afterwards: standard output is then given back. @default false */
  readonly goesOn?: boolean;
}

/** Builds an app that only looks at plugins and has loaded none yet. @throws whatever `work` throws */
export async function withInspectingApp<T>(
  loaded: LoadedConfig,
  context: CommandContext,
  work: (app: App) => Promise<T>,
  { goesOn = false }: Pick<InspectOptions, "goesOn"> = {},
): Promise<T> {
  const { createApp } = await import("../../app/app.ts");
  const app = await createApp({ loaded, version: context.version, inspects: true });
  const giveBack = divertOutput();
  const onError = (error: unknown): void =>
    context.warn(app.stackTraces.map(error instanceof Error ? String(error.stack) : String(error)));
  process.on("uncaughtException", onError);
  process.on("unhandledRejection", onError);
  try {
    return await work(app);
  } finally {
    await app.close();
    if (goesOn) {
      giveBack();
      process.off("uncaughtException", onError);
      process.off("unhandledRejection", onError);
    }
  }
}

/** Tells which plugins an answer about all of them leaves out. */
export function warnOfFailures(app: App, context: CommandContext): void {
  for (const { name, failure } of app.plugins.list()) {
    if (failure !== null) context.warn(`Left out plugin "${name}": ${describePluginError(failure)}`);
  }
}

/** Standard output is for the command's answer alone, until the process ends: programs read it. */
function divertOutput(): () => void {
  const { stdout } = process;
  const kept = { write: stdout.write.bind(stdout), console: { ...console } };
  stdout.write = process.stderr.write.bind(process.stderr);
  Object.assign(console, new Console(process.stderr), { write: writeToStderr });
  return () => {
    stdout.write = kept.write;
    Object.assign(console, kept.console);
  };
}

function writeToStderr(...data: readonly unknown[]): number {
  const text = data.join("");
  process.stderr.write(text);
  return text.length;
}
