import { basename, resolve } from "node:path";
import type { Command } from "commander";
import type { LoadedConfig } from "../../config/load.ts";
import { fail } from "../../errors/codes.ts";
import { createDisplayPath } from "../../files/paths.ts";
import { findLocalPlugin } from "../../plugins/source/local.ts";
import type { FetchOptions } from "../../plugins/remote/fetch/fetch.ts";
import { PluginInstaller } from "../../plugins/remote/installer.ts";
import { type PluginStores, type RemoteSettings, toRemoteSettings } from "../../plugins/remote/sources.ts";
import { type CommandContext, loadFor } from "./command-context.ts";
import { openCommandStores } from "../../app/command-stores.ts";

/** What a command that works with plugins from elsewhere has at hand. */
export interface CommandRemote {
  readonly loaded: LoadedConfig;
  /** What config.json is called. */
  readonly configName: string;
  readonly settings: RemoteSettings;
  readonly installer: PluginInstaller;
  readonly store: PluginStores["store"];
  readonly fetch: FetchOptions;
  /** Returns where a plugin of that name stands in the plugins directory, to show; null when none does. */
  readonly findLocal: (name: string) => Promise<string | null>;
}

/** Loads the configuration for a command about plugins from elsewhere. Nothing is fetched yet. @throws ConfigError */
export function openRemote(
  command: Command,
  context: CommandContext,
  { offline }: { readonly offline?: boolean | undefined } = {},
): CommandRemote {
  const loaded = loadFor(command, context, offline === undefined ? {} : { plugins: { offline } });
  const settings = toRemoteSettings(loaded);
  const stores = openCommandStores(loaded, context);
  const findLocal = (name: string): Promise<string | null> => showLocal(name, loaded);
  const installer = new PluginInstaller({
    configFile: loaded.file,
    stores,
    settings: () => settings,
    findLocal,
  });
  const { store, tmp, projectDirectory } = stores;
  const fetch = { limits: settings.limits, tmp, projectDirectory };
  const configName = basename(loaded.file);
  return { loaded, configName, settings, installer, store, fetch, findLocal };
}

/**
 * Whether a name is that of a plugin from elsewhere.
 *
 * @throws AppError conflict when a plugin of the plugins directory has it too
 */
export async function isRemote(name: string, { settings, findLocal }: CommandRemote): Promise<boolean> {
  if (!Object.hasOwn(settings.entries, name)) return false;
  const local = await findLocal(name);
  if (local === null) return true;
  const message = `Cannot tell which "${name}" is meant: ${local} and plugins.remote both have one; delete one yourself`;
  throw fail("conflict", message);
}

async function showLocal(name: string, { config, directory }: LoadedConfig): Promise<string | null> {
  const plugins = resolve(directory, config.plugins.directory);
  const found = await findLocalPlugin(plugins, name, createDisplayPath(directory));
  return found?.source.shown ?? null;
}
