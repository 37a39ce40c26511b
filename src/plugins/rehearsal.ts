import { PluginError } from "./failure/failure.ts";
import type { DeclaredPlugin } from "./inventory/declared-plugins.ts";
import { whyUnusable } from "./inventory/resolve.ts";
import { loadGeneration } from "./load.ts";
import type { Generation } from "./runtime/generation.ts";
import type { PluginHost } from "./runtime/host.ts";
import type { Surface } from "./source/surface.ts";

export interface RehearsalOptions {
  /** `plugins.settings` of config.json, by name. */
  readonly settings: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Finds a plugin that another depends on. @throws PluginError for one that can't be used */
  readonly findPlugin: (name: string) => DeclaredPlugin | undefined;
}

/**
 * Loads a plugin, after those that it depends on, only to see what it registers, whatever surface it declares. With a
 * host that looks at plugins only, nothing of it is started.
 *
 * @throws PluginError when one of them can't be loaded
 */
export async function rehearse(
  host: PluginHost,
  plugin: DeclaredPlugin,
  { settings, findPlugin }: RehearsalOptions,
): Promise<Surface> {
  const generations = new Map<string, Generation>();
  const load = async ({ files, manifest }: DeclaredPlugin): Promise<Generation> => {
    const dependencies = new Map<string, Generation>();
    for (const [name, range] of Object.entries(manifest.dependencies)) {
      const dependency = findPlugin(name);
      const reason = whyUnusable(name, range, dependency);
      if (dependency === undefined || reason !== null)
        throw new PluginError("dependencies", String(reason), { file: files.source.shownManifest });
      // oxlint-disable-next-line no-await-in-loop -- they may depend on each other
      dependencies.set(name, generations.get(name) ?? (await load(dependency)));
    }
    const loaded = await loadGeneration(host, {
      files,
      manifest,
      number: 1,
      settings: (Object.hasOwn(settings, manifest.name) && settings[manifest.name]) || {},
      checksSettings: false, // those of another project are what counts
      dependencies,
      current: null,
      signal: new AbortController().signal,
      onInstall() {},
    });
    generations.set(manifest.name, loaded as Generation); // there is none that it could be the same as
    return loaded as Generation;
  };
  try {
    return (await load({ ...plugin, manifest: { ...plugin.manifest, surface: null } })).surface;
  } finally {
    await Promise.all([...generations.values()].map((generation) => generation.retire(host)));
  }
}
