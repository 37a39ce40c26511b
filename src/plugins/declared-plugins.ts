import { PluginError } from "./failure.ts";
import type { Manifest } from "./manifest.ts";
import { readManifest } from "./manifest-file.ts";
import { PluginRecord } from "./record.ts";
import { resolvePlugins } from "./resolve.ts";
import { listSources, type PluginSource } from "./sources.ts";

/** A plugin as its folder and manifest declare it, with none of its code run. */
export interface DeclaredPlugin {
  readonly name: string;
  readonly source: PluginSource;
  readonly manifest: Manifest;
}

export interface DeclaredPlugins {
  /** Those that a server would load, dependencies first. */
  readonly loadable: readonly DeclaredPlugin[];
  /** All whose manifest can be read, disabled ones too, by name. */
  readonly byName: ReadonlyMap<string, DeclaredPlugin>;
  /** Why the others can't be used, by the name of the plugin, or of its folder. */
  readonly problems: ReadonlyMap<string, PluginError>;
}

/** Reads what stands in the plugins directory. */
export async function readDeclaredPlugins(
  directory: string,
  toDisplayPath: (file: string) => string,
): Promise<DeclaredPlugins> {
  const sources = await listSources(directory);
  const records = await Promise.all(
    sources.map(async (source) => new PluginRecord(source, await readManifest(source, toDisplayPath))),
  );
  const candidates = records.map((record) => record.toCandidate(toDisplayPath));
  const { order, problems } = resolvePlugins(candidates.filter((candidate) => candidate !== null));
  const byId = new Map<string, DeclaredPlugin>();
  const failures = new Map<string, PluginError>();
  for (const { id, name, source, declared } of records) {
    const failure = declared instanceof PluginError ? declared : problems.get(id);
    if (failure !== undefined) failures.set(name, failure);
    if (!(declared instanceof PluginError)) byId.set(id, { name, source, manifest: declared });
  }
  return {
    loadable: order.flatMap((id) => byId.get(id) ?? []),
    byName: new Map([...byId.values()].toReversed().map((plugin) => [plugin.name, plugin])),
    problems: failures,
  };
}
