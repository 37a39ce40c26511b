import { resolve } from "node:path";
import type { Command } from "commander";
import type { Logger } from "pino";
import type { LoadedConfig } from "../../config/load.ts";
import type { ConfigOverrides } from "../../config/schema.ts";
import {
  type DeclaredPlugin,
  type DeclaredPlugins,
  readDeclaredPlugins,
} from "../../plugins/inventory/declared-plugins.ts";
import { createDisplayPath } from "../../files/paths.ts";
import { type PluginStores, RemoteSources, toRemoteSettings } from "../../plugins/remote/sources.ts";
import { type CommandContext, loadFor } from "./command-context.ts";
import { openCommandStores } from "../../app/command-stores.ts";
import { fail } from "../../plugins/failure/error-codes.ts";

/** What a command that works with the plugins' files has at hand. */
export interface CommandPlugins {
  readonly loaded: LoadedConfig;
  readonly plugins: DeclaredPlugins;
  /** Where npm dependencies of plugins are installed. */
  readonly packages: PluginStores["packages"];
  readonly log: Logger;
  readonly toDisplayPath: (file: string) => string;
  /**
   * Finds a plugin by its name, disabled or not.
   *
   * @throws PluginError when its manifest can't be read
   * @throws AppError plugin_not_found
   */
  readonly find: (name: string) => DeclaredPlugin;
}

/** Loads the configuration and reads what the plugins declare, none of whose code is run. @throws ConfigError */
export async function loadCommandPlugins(
  command: Command,
  context: CommandContext,
  flags: ConfigOverrides = {},
): Promise<CommandPlugins> {
  const loaded = loadFor(command, context, flags);
  const toDisplayPath = createDisplayPath(loaded.directory);
  const directory = resolve(loaded.directory, loaded.config.plugins.directory);
  const stores = openCommandStores(loaded, context);
  const remote = new RemoteSources(stores, toRemoteSettings(loaded));
  const plugins = await readDeclaredPlugins(directory, remote, toDisplayPath);
  const find = (name: string): DeclaredPlugin => findPlugin(plugins, name, toDisplayPath(directory));
  const { packages, log } = stores;
  return { loaded, plugins, packages, log, toDisplayPath, find };
}

function findPlugin({ byName, problems }: DeclaredPlugins, name: string, where: string): DeclaredPlugin {
  const found = byName.get(name);
  if (found !== undefined) return found;
  const problem = problems.get(name);
  if (problem !== undefined) throw problem;
  throw fail("plugin_not_found", `Cannot find plugin "${name}" in ${where}: see \`xcore plugin list\``);
}
