import { existsSync, statSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import type { Command } from "commander";
import type { LoadedConfig } from "../../config/load.ts";
import { fail } from "../../plugins/failure/error-codes.ts";
import { createDisplayPath } from "../../files/paths.ts";
import { findLocalPlugin } from "../../plugins/source/local.ts";
import type { PluginTarget } from "../../plugins/remote/publish/publish.ts";
import { toFetchLimits } from "../../plugins/remote/sources.ts";
import { type CommandContext, loadFor } from "./command-context.ts";
import { openCommandStores } from "../../app/command-stores.ts";

const ARCHIVES = /\.(tgz|tar\.gz)$/;

/**
 * Finds what an author's command is about: the name of a plugin in the plugins directory, or the path of a plugin's
 * folder, module or archive.
 *
 * @throws AppError plugin_not_found
 */
export async function findPluginTarget(
  text: string,
  command: Command,
  context: CommandContext,
): Promise<PluginTarget> {
  const loaded = loadFor(command, context);
  const path = /^[a-z][a-z0-9_]*$/.test(text)
    ? await findByName(text, loaded, context)
    : resolve(context.cwd, text);
  const shown = createDisplayPath(context.cwd)(path) || ".";
  return { path, shown, kind: toKind(path, shown), fetch: toFetchOptions(loaded, context) };
}

function toFetchOptions(loaded: LoadedConfig, context: CommandContext): PluginTarget["fetch"] {
  const { tmp, projectDirectory } = openCommandStores(loaded, context);
  return { limits: toFetchLimits(loaded), tmp, projectDirectory };
}

async function findByName(name: string, loaded: LoadedConfig, context: CommandContext): Promise<string> {
  const directory = resolve(loaded.directory, loaded.config.plugins.directory);
  const found = await findLocalPlugin(directory, name, String);
  if (found !== null) return found.path;
  const folder = resolve(context.cwd, name);
  if (existsSync(join(folder, "plugin.json"))) return folder;
  const where = createDisplayPath(context.cwd)(directory) || ".";
  const advice = "see `xcore plugin list`, or give its path, such as ./crm";
  throw fail("plugin_not_found", `Cannot find plugin "${name}" in ${where}: ${advice}`);
}

function toKind(path: string, shown: string): PluginTarget["kind"] {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    throw fail("plugin_not_found", `Cannot find plugin "${shown}": no file is there`);
  }
  if (stats.isDirectory()) return "folder";
  if (ARCHIVES.test(path)) return "archive";
  if (/^\.[cm]?[jt]sx?$/.test(extname(path))) return "module";
  const accepted = "name a plugin, its folder, its module or its .tgz";
  throw fail("plugin_not_found", `Cannot use "${shown}" as a plugin: ${accepted}`);
}
