import { PluginError } from "../failure/failure.ts";
import type { Manifest } from "../source/manifest.ts";
import type { PluginFiles, PluginSource } from "../source/files.ts";
import { listLocalPlugins } from "../source/local.ts";
import { readManifest } from "../source/manifest.ts";
import { PluginRecord } from "./record.ts";
import type { RemoteSources } from "../remote/sources.ts";
import { resolvePlugins } from "./resolve.ts";

/** A plugin as its folder and manifest declare it, with none of its code run. */
export interface DeclaredPlugin {
  readonly name: string;
  readonly files: PluginFiles;
  readonly manifest: Manifest;
}

export interface DeclaredPlugins {
  /** The plugins that a server would load, dependencies first. */
  readonly loadable: readonly DeclaredPlugin[];
  /** All plugins whose manifest can be read, disabled ones too, by name. */
  readonly byName: ReadonlyMap<string, DeclaredPlugin>;
  /** Why the others can't be used, by the name of the plugin, or of its folder. */
  readonly problems: ReadonlyMap<string, PluginError>;
}

/**
 * Reads what stands in the plugins directory and in `plugins.remote`. Plugins from elsewhere that aren't in the cache
 * are fetched.
 */
export async function readDeclaredPlugins(
  directory: string,
  remote: RemoteSources,
  toDisplayPath: (file: string) => string,
): Promise<DeclaredPlugins> {
  const records = await Promise.all([
    ...(await listLocalPlugins(directory, toDisplayPath)).map(toRecord),
    ...remote.list().map((source) => readRemote(source, remote)),
  ]);
  const candidates = records.map((record) => record.toCandidate());
  const { order, problems } = resolvePlugins(candidates.filter((candidate) => candidate !== null));
  const byId = new Map<string, DeclaredPlugin>();
  const failures = new Map<string, PluginError>();
  for (const { id, name, files, declared } of records) {
    const failure = declared instanceof PluginError ? declared : problems.get(id);
    if (failure !== undefined) failures.set(name, failure);
    if (files !== null && declared !== null && !(declared instanceof PluginError)) {
      byId.set(id, { name, files, manifest: declared });
    }
  }
  return {
    loadable: order.flatMap((id) => byId.get(id) ?? []),
    byName: new Map([...byId.values()].toReversed().map((plugin) => [plugin.name, plugin])),
    problems: failures,
  };
}

/** Reads what a plugin declares; null when its manifest can't be used. */
export async function declarePlugin(files: PluginFiles): Promise<DeclaredPlugin | null> {
  const manifest = await readManifest(files);
  return manifest instanceof PluginError ? null : { name: manifest.name, files, manifest };
}

async function readRemote(source: PluginSource, remote: RemoteSources): Promise<PluginRecord> {
  try {
    return await toRecord(await remote.open(source, new AbortController().signal));
  } catch (error) {
    if (error instanceof PluginError) return new PluginRecord(source, { declared: error, files: null });
    throw error;
  }
}

async function toRecord(files: PluginFiles): Promise<PluginRecord> {
  return new PluginRecord(files.source, { declared: await readManifest(files), files });
}
