import { relative } from "node:path";
import type { DeclaredPlugin } from "../plugins/inventory/declared-plugins.ts";
import { findSettingsFile } from "../plugins/source/files.ts";

/** Name of the file that says what `config` holds. */
export const SETTINGS_TYPES = "settings.d.ts";

/**
 * Returns the declarations by which `config` has the types of what plugins export as `settings`. Which of them do is
 * left to the compiler: no code runs, and one that exports none adds nothing. What is from elsewhere is not the
 * project's to mend, and left out.
 *
 * @param folder absolute path of the folder that it is written to
 */
export async function toSettingsTypes(folder: string, plugins: Iterable<DeclaredPlugin>): Promise<string> {
  const imports: string[] = [];
  const entries: string[] = [];
  for (const { name, files, manifest } of [...plugins].toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (files.overlay !== null) continue;
    // oxlint-disable-next-line no-await-in-loop -- a few files
    const file = (await findSettingsFile(files)) ?? (await files.findEntry(manifest.entry).catch(() => null));
    if (file === null) continue; // the server says what is wrong with it
    const path = relative(folder, file).replaceAll("\\", "/");
    const alias = `plugin${imports.length}`; // a plugin may be called "delete"
    imports.push(`import type * as ${alias} from ${JSON.stringify(path)};`);
    entries.push(`    "plugin:${name}": Settings<typeof ${alias}>;`);
  }
  return [
    ...imports,
    "type Settings<Module> = Module extends { settings: infer Schema } ? Schema : never;",
    'declare module "xcore" {',
    "  interface PluginSettings {",
    ...entries,
    "  }",
    "}",
    "export {};",
    "",
  ].join("\n");
}
