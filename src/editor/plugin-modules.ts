import { dirname, join, relative } from "node:path";
import { findEntry } from "../plugins/build/bundle.ts";
import type { DeclaredPlugin } from "../plugins/inventory/declared-plugins.ts";
import type { OpenedSnapshot } from "../plugins/snapshot/store.ts";
import { isUrlName } from "../plugins/snapshot/snapshot.ts";
import { findSchemaFiles } from "../plugins/source/schema-files.ts";

const TYPED_FILES = /\.([cm]?ts|tsx|json)$/;

/**
 * Returns the declarations of what plugins import from each other as "plugin:<name>": all that the entry and the
 * schema files of each export. They lead to its own files, so that the editor does; those of a plugin from elsewhere
 * to a copy in which nothing is checked, as it isn't the project's to mend.
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
  { name, source, opened, manifest }: DeclaredPlugin,
): Promise<[path: string, text: string][]> {
  const entry = await findEntry(source, manifest.entry, { toDisplayPath: String }).catch(() => null);
  if (entry === null) return []; // the server says what is wrong with it
  const files = new Set([entry, ...(await findSchemaFiles(source))]);
  const modules = join(folder, "plugins");
  const own = source.kind === "folder" ? source.path : dirname(source.path);
  const lines = [...files].map((file) => {
    const shown = opened === null ? file : join(modules, name, relative(own, file));
    const path = relative(modules, shown).replaceAll("\\", "/");
    return `export * from ${JSON.stringify(path.startsWith(".") ? path : `./${path}`)};\n`;
  });
  const copies = opened === null ? [] : copyUnchecked(name, opened);
  return [[`plugins/${name}.d.ts`, lines.join("")], ...copies];
}

/** What the files of a plugin from elsewhere import from other hosts and from npm is of any type here. */
function copyUnchecked(name: string, { snapshot }: OpenedSnapshot): [path: string, text: string][] {
  const files = [...snapshot.files].filter(([path]) => !isUrlName(path) && TYPED_FILES.test(path));
  return files.map(([path, bytes]) => {
    const text = new TextDecoder().decode(bytes);
    const copy = path.endsWith(".json") ? text : text.replace(/^(#!.*\n)?/, "$1// @ts-nocheck\n");
    return [`plugins/${name}/${path}`, copy];
  });
}
