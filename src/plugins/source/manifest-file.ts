import { join } from "node:path";
import { readTextFile } from "../../files/text.ts";
import { PluginError } from "../failure/failure.ts";
import { type Manifest, parseManifest, toManifest } from "./manifest.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import { readPluginInfo } from "./single-file.ts";
import type { PluginSource } from "./sources.ts";

/** Returns how to show the file that holds a plugin's manifest. */
export function showManifest(source: PluginSource, toDisplayPath: (file: string) => string): string {
  const path = source.kind === "folder" ? manifestPathOf(source) : source.path;
  return source.remote === null ? toDisplayPath(path) : source.remote.show(path);
}

/**
 * Reads what a plugin from elsewhere says of itself, in bytes that have been checked.
 *
 * @param source with the name that `plugins.remote` gives it, which must be its own
 */
export function readRemoteManifest(source: PluginSource, { entry, files }: Snapshot): Manifest | PluginError {
  const file = showManifest(source, String);
  try {
    const text = new TextDecoder().decode(files.get(entry));
    const manifest =
      source.kind === "file"
        ? toManifest(readPluginInfo(text, file), { file, label: "PLUGIN_INFO" })
        : parseManifest(text, file);
    if (manifest.name === source.basename) return manifest;
    const message =
      `Cannot use "${manifest.name}" as "${source.basename}": ` +
      `call it "${manifest.name}" in plugins.remote too, or find out why its name has changed`;
    return new PluginError("manifest", message, { file });
  } catch (error) {
    if (error instanceof PluginError) return error;
    return new PluginError("manifest", `Cannot read the manifest: ${(error as Error).message}`, { file });
  }
}

/** Reads what a plugin says of itself: `plugin.json` of a folder, PLUGIN_INFO of a single file. */
export async function readManifest(
  source: PluginSource,
  toDisplayPath: (file: string) => string,
): Promise<Manifest | PluginError> {
  const path = source.kind === "folder" ? manifestPathOf(source) : source.path;
  const file = showManifest(source, toDisplayPath);
  try {
    if (source.kind === "file") {
      return toManifest(readPluginInfo(await Bun.file(path).text(), file), { file, label: "PLUGIN_INFO" });
    }
    return parseManifest(readManifestText(source, path, file), file);
  } catch (error) {
    if (error instanceof PluginError) return error;
    return new PluginError("manifest", `Cannot read the manifest: ${(error as Error).message}`, { file });
  }
}

/** Path of the manifest of a plugin that is a folder. */
export function manifestPathOf(source: PluginSource): string {
  return join(source.path, "plugin.json");
}

function readManifestText(source: PluginSource, path: string, file: string): string {
  const read = readTextFile(path);
  if (read.state === "read") return read.text;
  const example = `{ "name": "${source.basename}", "version": "1.0.0" }`;
  const message =
    read.state === "missing"
      ? `Cannot find plugin.json: create it with at least ${example}`
      : `Cannot read plugin.json: expected ${read.expected}, found ${read.found}`;
  throw new PluginError("manifest", message, { file });
}
