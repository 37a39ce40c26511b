import { stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fail } from "../errors/codes.ts";
import { declarePlugin, type DeclaredPlugin } from "../plugins/inventory/declared-plugins.ts";
import { listLocalPlugins } from "../plugins/source/local.ts";

export interface PluginLinks {
  /** Path to show for each plugin, from the folder that the test runs in, by its name in the plugins directory. */
  readonly shown: ReadonlyMap<string, string>;
  /** Names of the dependencies that stand nowhere. */
  readonly missing: readonly string[];
}

type PluginFiles = DeclaredPlugin["files"];

/**
 * Links plugins into a plugins directory, and what they depend on as far as it stands beside them.
 *
 * @param paths absolute
 * @throws AppError not_found for a path without a plugin, conflict for two of one name
 */
export async function linkPlugins(
  paths: readonly string[],
  { directory, cwd }: { readonly directory: string; readonly cwd: string },
): Promise<PluginLinks> {
  const show = (path: string): string => {
    const shown = relative(cwd, path);
    return (shown.startsWith("..") ? path : shown).replaceAll("\\", "/");
  };
  const wanted = await Promise.all(paths.map((path) => findPlugin(path, show(path))));
  const missing = await addDependencies(wanted);
  const shown = new Map<string, string>();
  for (const { path, root, isSingleFile, source } of wanted) {
    const { basename } = source;
    const other = shown.get(basename);
    if (other === show(path)) continue;
    if (other !== undefined) {
      const message = `Cannot test ${other} together with ${show(path)}: both are called "${basename}"`;
      throw fail("conflict", message);
    }
    shown.set(basename, show(path));
    // Windows lets everybody make junctions, which are for folders.
    // oxlint-disable-next-line no-await-in-loop -- a few at most
    await symlink(root, join(directory, basename), isSingleFile ? "file" : "junction");
  }
  return { shown, missing };
}

async function findPlugin(path: string, shown: string): Promise<PluginFiles> {
  const beside = await listLocalPlugins(dirname(path), String);
  const found = beside.find((plugin) => plugin.path === path);
  if (found !== undefined) return found;
  const isThere = await stat(path).catch(() => null);
  const message =
    isThere === null
      ? `Cannot find plugin "${shown}": nothing is at ${path}`
      : `Cannot use "${shown}" as a plugin: name a folder with a plugin.json, or a .ts, .tsx, .js or .jsx file`;
  throw fail("not_found", message);
}

/** Adds what the plugins depend on to them; returns the names that were not found. */
async function addDependencies(wanted: PluginFiles[]): Promise<string[]> {
  const directories = new Map<string, Promise<ReadonlyMap<string, DeclaredPlugin>>>();
  const readBeside = (path: string): Promise<ReadonlyMap<string, DeclaredPlugin>> => {
    const directory = dirname(path);
    const known = directories.get(directory) ?? readPlugins(directory);
    directories.set(directory, known);
    return known;
  };
  const queue = await readNamed(wanted);
  const known = new Set(queue.map(({ manifest }) => manifest.name));
  const missing = new Set<string>();
  for (const { files, manifest } of queue) {
    for (const name of Object.keys(manifest.dependencies)) {
      if (known.has(name)) continue;
      // oxlint-disable-next-line no-await-in-loop -- each may bring more
      const beside = (await readBeside(files.path)).get(name);
      if (beside === undefined) {
        missing.add(name);
        continue;
      }
      known.add(name);
      queue.push(beside);
      wanted.push(beside.files);
    }
  }
  return [...missing].filter((name) => !known.has(name));
}

/** The plugins of a directory by name. */
async function readPlugins(directory: string): Promise<ReadonlyMap<string, DeclaredPlugin>> {
  const named = await readNamed(await listLocalPlugins(directory, String));
  return new Map(named.toReversed().map((plugin) => [plugin.name, plugin]));
}

/** Leaves out plugins whose manifest can't be used: the server says why. */
async function readNamed(plugins: readonly PluginFiles[]): Promise<DeclaredPlugin[]> {
  const declared = await Promise.all(plugins.map(declarePlugin));
  return declared.filter((plugin) => plugin !== null);
}
