import { basename, resolve } from "node:path";
import type { LoadedConfig } from "../../config/load.ts";
import { AppError } from "../../errors/errors.ts";
import { createDisplayPath } from "../../files/paths.ts";
import { describePluginError, PluginError } from "../failure/failure.ts";
import { readPackageNeeds } from "../packages/needs.ts";
import { type PluginStores, RemoteSources, toRemoteSettings } from "../remote/sources.ts";
import { readPluginFolder } from "../snapshot/folder-files.ts";
import { computeIntegrity } from "../snapshot/integrity.ts";
import type { PluginFiles, PluginSource } from "../source/files.ts";
import { listLocalPlugins } from "../source/local.ts";
import { type Manifest, readManifest } from "../source/manifest.ts";
import { type InstalledPackage, listInstalled } from "./installed.ts";

export { type InstalledPackage, listInstalled };

/** What a plugin is made of. */
export interface PluginContents {
  /** Tells it from all others: "tax", "hello.ts", "remote/invoices". */
  readonly id: string;
  readonly name: string;
  readonly source: PluginSource;
  /** Null when it can't be read. */
  readonly manifest: Manifest | null;
  /** Digest of its files, "sha256-…", as plugins from elsewhere are pinned; null when they can't be read. */
  readonly integrity: string | null;
  readonly packages: readonly InstalledPackage[];
  /** Why some of it isn't known. */
  readonly faults: readonly string[];
}

/** Lists what the plugins of a project are made of, in order of id. None of their code is run. */
export async function listPluginContents(
  loaded: LoadedConfig,
  stores: PluginStores,
): Promise<PluginContents[]> {
  const { config, directory } = loaded;
  const plugins = resolve(directory, config.plugins.directory);
  const local = await listLocalPlugins(plugins, createDisplayPath(directory));
  const remote = new RemoteSources(stores, toRemoteSettings(loaded));
  const found: PluginContents[] = [];
  for (const files of local) {
    // oxlint-disable-next-line no-await-in-loop -- one plugin's bytes in memory at a time
    found.push(await readContents(files.source, () => Promise.resolve(files), stores));
  }
  for (const source of remote.list()) {
    const open = (): Promise<PluginFiles> => remote.open(source, new AbortController().signal);
    // oxlint-disable-next-line no-await-in-loop -- as above
    found.push(await readContents(source, open, stores));
  }
  return found.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

async function readContents(
  source: PluginSource,
  open: () => Promise<PluginFiles>,
  { packages }: PluginStores,
): Promise<PluginContents> {
  const faults: string[] = [];
  const tryTo = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof PluginError) faults.push(describePluginError(error));
      else if (error instanceof AppError) faults.push(error.message);
      else throw error;
      return null;
    }
  };
  const files = await tryTo(open);
  const manifest = files && (await tryTo(async () => orThrow(await readManifest(files))));
  const pin = source.remote?.integrity ?? null;
  return {
    id: source.remote === null ? source.basename : `remote/${source.basename}`,
    name: manifest?.name ?? source.basename,
    source,
    manifest,
    integrity: pin ?? (files && (await tryTo(() => digest(files)))),
    packages: (files && (await tryTo(() => listPackages(files, source.basename, packages)))) ?? [],
    faults,
  };
}

function orThrow(manifest: Manifest | PluginError): Manifest {
  if (manifest instanceof PluginError) throw manifest;
  return manifest;
}

/** The digest that a plugin of the plugins directory would be pinned to. */
async function digest({ isSingleFile, path, root }: PluginFiles): Promise<string> {
  const entry = isSingleFile ? basename(path) : "plugin.json";
  const files = isSingleFile
    ? new Map([[entry, await Bun.file(root).bytes()]])
    : (await readPluginFolder(root)).files;
  return computeIntegrity({ entry, files, redirects: new Map() });
}

/** Lists the npm packages of a plugin, which are installed where they aren't yet. */
async function listPackages(
  files: PluginFiles,
  plugin: string,
  store: PluginStores["packages"],
): Promise<InstalledPackage[]> {
  const needs = await readPackageNeeds(files.read);
  if (needs === null) return [];
  const folder = await store.ensure(needs, { plugin });
  return listInstalled(folder, Object.keys(needs.dependencies));
}
