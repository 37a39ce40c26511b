import { resolve } from "node:path";
import type { Command } from "commander";
import type { LoadedConfig } from "../config/load.ts";
import {
  type DeclaredPlugin,
  type DeclaredPlugins,
  readDeclaredPlugins,
} from "../plugins/declared-plugins.ts";
import { createDisplayPath } from "../plugins/display-path.ts";
import { type CommandContext, loadFor } from "./command-context.ts";
import { findPlugin } from "./find-plugin.ts";

/** What a command that works with the plugins' files has at hand. */
export interface CommandPlugins {
  readonly loaded: LoadedConfig;
  readonly plugins: DeclaredPlugins;
  readonly toDisplayPath: (file: string) => string;
  /** Finds a plugin by its name, disabled or not. @throws AppError plugin_not_found */
  readonly find: (name: string) => DeclaredPlugin;
}

/** Loads the configuration and reads what the plugins declare, none of whose code is run. @throws ConfigError */
export async function loadCommandPlugins(command: Command, context: CommandContext): Promise<CommandPlugins> {
  const loaded = loadFor(command, context);
  const toDisplayPath = createDisplayPath(loaded.directory);
  const directory = resolve(loaded.directory, loaded.config.plugins.directory);
  const plugins = await readDeclaredPlugins(directory, toDisplayPath);
  const find = (name: string): DeclaredPlugin => findPlugin(plugins, name, toDisplayPath(directory));
  return { loaded, plugins, toDisplayPath, find };
}
