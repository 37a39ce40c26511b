import { join, relative } from "node:path";
import type { DeclaredPlugin } from "../plugins/inventory/declared-plugins.ts";
import { isInside } from "../files/paths.ts";

const TYPED_FILES = /\.([cm]?ts|tsx|json)$/;

/**
 * Returns the declarations of what plugins import from each other as "plugin:<name>": all that the entry and the
 * schema files of each export. They lead the editor to the plugin's own files, or for a plugin from elsewhere to a
 * copy in which nothing is checked, as it isn't the project's to mend.
 *
 * @param folder absolute path of the folder that they are written to
 * @returns texts by path in that folder, in order of path
 */
export async function toPluginModules(
  folder: string,
  plugins: Iterable<DeclaredPlugin>,
): Promise<Map<string, string>> {
  const entries = await Promise.all([...plugins].map((plugin) => toModule(folder, plugin)));
  return new Map(entries.flat().toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function toModule(
  folder: string,
  { name, files, manifest }: DeclaredPlugin,
): Promise<[path: string, text: string][]> {
  const entry = await files.findEntry(manifest.entry).catch(() => null);
  if (entry === null) return []; // the server says what is wrong with it
  const exporting = new Set([entry, ...(await files.findSchemas())]);
  const modules = join(folder, "plugins");
  const { folder: own, overlay } = files;
  const lines = [...exporting].map((file) => {
    const shown = overlay === null ? file : join(modules, name, relative(own, file));
    const path = relative(modules, shown).replaceAll("\\", "/");
    return `export * from ${JSON.stringify(path.startsWith(".") ? path : `./${path}`)};\n`;
  });
  const copies = copyUnchecked(name, files);
  return [[`plugins/${name}.d.ts`, lines.join("")], ...copies];
}

/** What the files of a plugin from elsewhere import from other hosts and from npm is of any type here. */
function copyUnchecked(
  name: string,
  { overlay, folder }: DeclaredPlugin["files"],
): [path: string, text: string][] {
  const pinned = [...(overlay ?? [])].filter(([file]) => isInside(folder, file) && TYPED_FILES.test(file));
  return pinned.map(([file, bytes]) => {
    const path = relative(folder, file).replaceAll("\\", "/");
    const text = new TextDecoder().decode(bytes);
    const copy = path.endsWith(".json") ? text : text.replace(/^(#!.*\n)?/, "$1// @ts-nocheck\n");
    return [`plugins/${name}/${path}`, copy];
  });
}
