import { relative } from "node:path";
import { findEntry } from "../../plugins/bundle.ts";
import type { DeclaredPlugin } from "../../plugins/declared-plugins.ts";
import { findSchemaFiles } from "../../plugins/schema-files.ts";

/**
 * Returns the declarations of what plugins import from each other as "plugin:<name>": all that the entry and the
 * schema files of each export. They lead to its own files, so that the editor does.
 *
 * @param folder absolute path of the folder that they are written to
 * @returns texts by path in that folder, in order of path
 */
export async function toPluginModules(
  folder: string,
  plugins: Iterable<DeclaredPlugin>,
): Promise<Map<string, string>> {
  const entries = await Promise.all(
    [...plugins].map(
      async (plugin) => [`plugins/${plugin.name}.d.ts`, await toModule(folder, plugin)] as const,
    ),
  );
  return new Map(entries.filter(([, text]) => text !== "").toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function toModule(folder: string, { source, manifest }: DeclaredPlugin): Promise<string> {
  const entry = await findEntry(source, manifest.entry, { toDisplayPath: String }).catch(() => null);
  if (entry === null) return ""; // the server says what is wrong with it
  const files = new Set([entry, ...(await findSchemaFiles(source))]);
  const lines = [...files].map((file) => {
    const path = relative(`${folder}/plugins`, file).replaceAll("\\", "/");
    return `export * from ${JSON.stringify(path.startsWith(".") ? path : `./${path}`)};\n`;
  });
  return lines.join("");
}
