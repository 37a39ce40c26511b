import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { MemberSource } from "./archive.ts";

/** Name of config.json in a backup. */
export const CONFIG_MEMBER = "config.json";

const NOT_PLUGINS = /^[._]|^node_modules$|\.d\.ts$|\.test\.[jt]sx?$|\p{Cc}/u;
const MANIFEST_MEMBER = /^plugins\/([^/\\]+)\/plugin\.json$/;

/** The files of a project that a backup holds beside the database. */
export interface ProjectFiles {
  readonly configFile: string | null;
  readonly pluginsDirectory: string;
}

/** Copies config.json and the plugins' manifests into a folder, where nobody changes them while they are packed. */
export async function collectProjectFiles(
  { configFile, pluginsDirectory }: ProjectFiles,
  folder: string,
): Promise<{ sources: MemberSource[]; plugins: string[] }> {
  const plugins = await listPlugins(pluginsDirectory);
  const manifests = plugins.map((plugin) => ({
    name: `plugins/${plugin}/plugin.json`,
    from: join(pluginsDirectory, plugin, "plugin.json"),
  }));
  const config = configFile === null ? [] : [{ name: CONFIG_MEMBER, from: configFile }];
  await mkdir(folder);
  const sources: MemberSource[] = [];
  for (const [index, { name, from }] of [...config, ...manifests].entries()) {
    if (!existsSync(from)) continue;
    const path = join(folder, String(index));
    // oxlint-disable-next-line no-await-in-loop -- a few small files
    await copyFile(from, path);
    sources.push({ name, path });
  }
  return { sources, plugins };
}

/** Where the project's files in a backup belong, by their name in it; manifests of missing plugins are left out. */
export function findPlaces(
  names: Iterable<string>,
  { configFile, pluginsDirectory }: ProjectFiles,
): Map<string, string> {
  const places = new Map<string, string>();
  for (const name of names) {
    const [, plugin] = MANIFEST_MEMBER.exec(name) ?? [];
    if (name === CONFIG_MEMBER && configFile !== null) places.set(name, configFile);
    if (plugin === undefined || NOT_PLUGINS.test(plugin)) continue;
    if (existsSync(join(pluginsDirectory, plugin)))
      places.set(name, join(pluginsDirectory, plugin, "plugin.json"));
  }
  return places;
}

/** Lists the plugins of a backup that the project doesn't have. */
export async function listMissingPlugins(
  plugins: readonly string[],
  pluginsDirectory: string,
): Promise<string[]> {
  const present = new Set(await listPlugins(pluginsDirectory));
  return plugins.filter((plugin) => !present.has(plugin));
}

/** Folders and single files, as in the plugins directory. */
async function listPlugins(directory: string): Promise<string[]> {
  if (!existsSync(directory)) return [];
  const names = (await readdir(directory)).filter((name) => !NOT_PLUGINS.test(name)).toSorted();
  const kinds = await Promise.all(
    names.map(async (name) => {
      const stats = await stat(join(directory, name)).catch(() => null);
      return stats?.isDirectory() === true || /\.[jt]sx?$/.test(name);
    }),
  );
  return names.filter((_name, index) => kinds[index]);
}
