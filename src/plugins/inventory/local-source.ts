import { PluginError } from "../failure/failure.ts";
import { readManifest } from "../source/manifest-file.ts";
import { listSources, type PluginSource } from "../source/sources.ts";

/**
 * Finds a plugin of the plugins directory by its name; one whose manifest can't be used goes by the name of its folder.
 *
 * @returns null when there is none
 */
export async function findLocalSource(directory: string, name: string): Promise<PluginSource | null> {
  for (const source of await listSources(directory)) {
    // oxlint-disable-next-line no-await-in-loop -- mostly the first few
    const manifest = await readManifest(source, String);
    if (name === (manifest instanceof PluginError ? source.basename : manifest.name)) return source;
  }
  return null;
}
