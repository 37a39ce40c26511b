import { fail } from "../../plugins/failure/error-codes.ts";
import type { DeclaredPlugin, DeclaredPlugins } from "../../plugins/inventory/declared-plugins.ts";

/**
 * Finds a plugin by its name, disabled or not.
 *
 * @throws PluginError when its manifest can't be read
 * @throws AppError plugin_not_found
 */
export function findPlugin(
  { byName, problems }: DeclaredPlugins,
  name: string,
  where: string,
): DeclaredPlugin {
  const found = byName.get(name);
  if (found !== undefined) return found;
  const problem = problems.get(name);
  if (problem !== undefined) throw problem;
  throw fail("plugin_not_found", `Cannot find plugin "${name}" in ${where}: see \`xcore plugin list\``);
}
