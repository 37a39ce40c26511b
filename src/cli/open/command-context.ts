import type { Command } from "commander";
import type { JsonObject } from "../../config/json/values.ts";
import { type LoadedConfig, loadConfig } from "../../config/load.ts";
import type { ConfigOverrides } from "../../config/schema.ts";

/** What commands know of the world around them. */
export interface CommandContext {
  readonly version: string;
  /** Folder that the command runs in, absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes a line to standard output: what the command answers. */
  readonly print: (line: string) => void;
  /** Writes a line to standard error: what the user should know beside the answer. */
  readonly warn: (line: string) => void;
}

/** Option values that every command understands. */
export interface GlobalOptions {
  readonly config?: string;
}

/**
 * Loads the configuration that a command works with.
 *
 * @param shared keys that were set on all instances
 * @param text taken for the content of config.json
 * @throws ConfigError
 */
export function loadFor(
  command: Command,
  context: CommandContext,
  flags: ConfigOverrides = {},
  shared: JsonObject = {},
  text?: string,
): LoadedConfig {
  const { config } = command.optsWithGlobals<GlobalOptions>();
  const { cwd, env } = context;
  return loadConfig({
    ...(config !== undefined && { file: config }),
    ...(text !== undefined && { text }),
    cwd,
    env,
    flags,
    shared,
  });
}
