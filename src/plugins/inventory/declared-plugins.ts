import { PluginError } from "../failure/failure.ts";
import type { Manifest } from "../source/manifest.ts";
import { readManifest, readRemoteManifest } from "../source/manifest-file.ts";
import { PluginRecord } from "./record.ts";
import type { OpenedSnapshot } from "../snapshot/store.ts";
import type { RemoteSources } from "../remote/remote-sources.ts";
import { resolvePlugins } from "./resolve.ts";
import { listSources, type PluginSource } from "../source/sources.ts";

/** A plugin as its folder and manifest declare it, with none of its code run. */
export interface DeclaredPlugin {
  readonly name: string;
  readonly source: PluginSource;
  /** The checked bytes of a plugin from elsewhere; null for one of the plugins directory. */
  readonly opened: OpenedSnapshot | null;
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
    ...(await listSources(directory)).map(
      async (source) => new PluginRecord(source, await readManifest(source, toDisplayPath)),
    ),
    ...remote.list().map((source) => readRemote(source, remote)),
  ]);
  const candidates = records.map((record) => record.toCandidate(toDisplayPath));
  const { order, problems } = resolvePlugins(candidates.filter((candidate) => candidate !== null));
  const byId = new Map<string, DeclaredPlugin>();
  const failures = new Map<string, PluginError>();
  for (const { id, name, source, opened, declared } of records) {
    const failure = declared instanceof PluginError ? declared : problems.get(id);
    if (failure !== undefined) failures.set(name, failure);
    if (declared !== null && !(declared instanceof PluginError)) {
      byId.set(id, { name, source, opened, manifest: declared });
    }
  }
  return {
    loadable: order.flatMap((id) => byId.get(id) ?? []),
    byName: new Map([...byId.values()].toReversed().map((plugin) => [plugin.name, plugin])),
    problems: failures,
  };
}

async function readRemote(source: PluginSource, remote: RemoteSources): Promise<PluginRecord> {
  try {
    const found = await remote.open(source, new AbortController().signal);
    const record = new PluginRecord(found.source, readRemoteManifest(found.source, found.opened.snapshot));
    record.opened = found.opened;
    return record;
  } catch (error) {
    if (error instanceof PluginError) return new PluginRecord(source, error);
    throw error;
  }
}
