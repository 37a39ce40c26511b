import type { Logger } from "pino";
import { realpathSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { FetchError, PluginError } from "../failure/failure.ts";
import type { PluginSource } from "../source/files.ts";
import { createPinnedFiles, isFolder, type PinnedFiles } from "../source/pinned.ts";
import type { FetchedPlugin, FetchLimits } from "./fetch/fetch.ts";
import { parseLocation } from "./fetch/location.ts";
import { placesOf, type RemoteEntry } from "./entries.ts";
import { assertSigned } from "../snapshot/signatures.ts";
import { isUrlName } from "../snapshot/snapshot.ts";
import { type OpenedSnapshot, SnapshotStore } from "../snapshot/store.ts";
import { parseByteSize } from "../../config/schema.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { PackageStore } from "../packages/store.ts";

/** What config.json says of plugins from elsewhere. */
export interface RemoteSettings {
  /** By name. */
  readonly entries: Readonly<Record<string, RemoteEntry>>;
  /** Public keys of which one must have signed each; none: unsigned ones are taken. */
  readonly trustedKeys: readonly string[];
  readonly limits: FetchLimits;
}

/** Where plugins from elsewhere are kept: the cache in the data directory, and `vendor/`. */
export interface RemoteStores {
  readonly store: SnapshotStore;
  /** Folder for what is being fetched. */
  readonly tmp: string;
  /** Folder of config.json. */
  readonly projectDirectory: string;
}

/** Where they and npm dependencies are kept. */
export interface PluginStores extends RemoteStores {
  readonly packages: PackageStore;
}

/**
 * The plugins of `plugins.remote`: finds them in `vendor/` and in the cache, and fetches those that aren't there.
 * Nothing that differs from its pin, or that lacks a trusted signature, leaves this class.
 */
export class RemoteSources {
  readonly #options: RemoteStores;
  #settings: RemoteSettings;

  constructor(options: RemoteStores, settings: RemoteSettings) {
    this.#options = options;
    this.#settings = settings;
  }

  configure(settings: RemoteSettings): void {
    this.#settings = settings;
  }

  /** Whether nothing may be fetched. */
  get isOffline(): boolean {
    return this.#settings.limits.isOffline;
  }

  /** What config.json lists, in order of name, whether its files are there or not. */
  list(): PluginSource[] {
    const names = Object.keys(this.#settings.entries).toSorted();
    return names.map((name) => toSource(name, this.#settings.entries[name] ?? {}));
  }

  /**
   * Finds a plugin in `vendor/` or in the cache, and checks every byte of it.
   *
   * @returns null when it isn't there, or is damaged: it must be fetched
   * @throws PluginError when it isn't pinned, or not signed by a trusted key
   */
  async find(source: PluginSource): Promise<PinnedFiles | null> {
    const integrity = assertPinned(source, this.#settings.entries[source.basename]);
    const opened = await this.#options.store.find(integrity);
    if (opened === null) return null;
    try {
      return await this.#check(source, opened);
    } catch (error) {
      // It may have been signed since it was fetched.
      if (opened.isVendored || this.#settings.limits.isOffline) throw error;
      return null;
    }
  }

  /**
   * Fetches a plugin from the first of its places that gives what its pin asks for, and keeps it in the cache.
   *
   * @throws FetchError, with `isTransient` when another try may have more luck
   * @throws PluginError when it isn't pinned, or not signed by a trusted key
   */
  async fetch(source: PluginSource, signal: AbortSignal): Promise<PinnedFiles> {
    const { store, projectDirectory, tmp } = this.#options;
    const integrity = assertPinned(source, this.#settings.entries[source.basename]);
    const locations = source.remote?.places.map((place) => parseLocation(place, projectDirectory)) ?? [];
    const { limits } = this.#settings;
    const options = { limits, tmp, projectDirectory, signal, expected: integrity };
    const { fetchFromMirrors } = await import("./fetch/fetch.ts");
    const { snapshot } = await fetchFromMirrors(locations, options).catch((error: unknown) => {
      if (error instanceof PluginError || signal.aborted) throw error;
      throw new FetchError((error as Error).message, { cause: error });
    });
    signal.throwIfAborted();
    return this.#check(source, await store.put(snapshot, integrity));
  }

  /** Finds a plugin, or fetches it. @throws as `find` and `fetch` do */
  async open(source: PluginSource, signal: AbortSignal): Promise<PinnedFiles> {
    return (await this.find(source)) ?? (await this.fetch(source, signal));
  }

  async #check(source: PluginSource, opened: OpenedSnapshot): Promise<PinnedFiles> {
    const { trustedKeys } = this.#settings;
    const { integrity, snapshot } = opened;
    if (trustedKeys.length > 0) await assertSigned(integrity, snapshot.signatures, trustedKeys);
    return createPinnedFiles(toOpenedSource(source, opened), opened);
  }
}

/**
 * Opens the cache and the vendor folder of a project; nothing is written before it is needed.
 *
 * @param isOffline asked each time something would be fetched
 */
export function openPluginStores(
  { config, directory }: Pick<LoadedConfig, "config" | "directory">,
  { log, isOffline }: { readonly log: Logger; readonly isOffline: () => boolean },
): PluginStores {
  // With links resolved: the bundler names files so.
  const cache = toRealPath(resolve(directory, config.app.data_directory, "plugins"));
  const vendor = toRealPath(resolve(directory, "vendor", "plugins"));
  return {
    store: new SnapshotStore({ cache, vendor, log }),
    packages: new PackageStore({ cache, vendor, projectDirectory: directory, isOffline, log }),
    tmp: join(cache, "tmp"),
    projectDirectory: directory,
  };
}

/** Returns what config.json says of plugins from elsewhere. */
export function toRemoteSettings({ config }: Pick<LoadedConfig, "config">): RemoteSettings {
  const { remote: entries, trusted_keys: trustedKeys } = config.plugins;
  return { entries, trustedKeys, limits: toFetchLimits({ config }) };
}

/** Returns the limits that config.json sets to what is fetched. */
export function toFetchLimits({ config }: Pick<LoadedConfig, "config">): FetchLimits {
  const { fetch, offline } = config.plugins;
  return {
    timeoutMs: fetch.timeout_seconds * 1000,
    maxBytes: parseByteSize(fetch.size_limit),
    maxRedirects: fetch.max_redirects,
    allowHosts: fetch.allow_hosts,
    isOffline: offline,
  };
}

/** Keeps a plugin that was fetched, pinned or not, and opens its files. */
export async function openFetched(
  { snapshot, integrity }: Pick<FetchedPlugin, "snapshot" | "integrity">,
  { name, shown, store }: { readonly name: string; readonly shown: string; readonly store: SnapshotStore },
): Promise<PinnedFiles> {
  const opened = await store.put(snapshot, integrity);
  return createPinnedFiles(toOpenedSource(toSource(name, { url: shown, integrity }), opened), opened);
}

/** A plugin whose files aren't known yet. */
function toSource(name: string, entry: RemoteEntry): PluginSource {
  const places = placesOf(entry);
  return {
    id: `remote:${name}`,
    basename: name,
    shown: places[0] ?? "",
    shownManifest: "plugin.json",
    show: (file) => file,
    paths: [],
    isActive: entry.active ?? true,
    remote: { places, integrity: entry.integrity ?? null },
  };
}

function toOpenedSource(source: PluginSource, { snapshot, root, pathOf }: OpenedSnapshot): PluginSource {
  const { shown } = source;
  const base = isFolder(snapshot) && !shown.endsWith("/plugin.json") ? shown : dirname(shown);
  const names = [...snapshot.files.keys()].filter(isUrlName);
  const urls = new Map(names.map((name) => [pathOf(name), name]));
  const show = createShow(shown, { base, root, urls });
  const manifest = pathOf(snapshot.entry);
  return { ...source, show, shownManifest: show(manifest), paths: [isFolder(snapshot) ? root : manifest] };
}

/**
 * Shows "lib/tax.ts" of "https://host/crm/plugin.json" as "https://host/crm/lib/tax.ts". It is kept for as long as the
 * plugin's errors may be shown, so nothing around it may hold the plugin's bytes.
 */
function createShow(
  place: string,
  { base, root, urls }: { base: string; root: string; urls: ReadonlyMap<string, string> },
): PluginSource["show"] {
  return (file) => {
    const path = relative(root, file);
    return urls.get(file) ?? (path === "" ? place : `${base}/${path}`);
  };
}

/** Returns the pin of an entry. */
function assertPinned({ basename: name, remote }: PluginSource, entry: RemoteEntry | undefined): string {
  const where = `plugins.remote.${name}`;
  if (entry?.url !== undefined && entry.urls !== undefined) {
    throw new PluginError("fetch", `Cannot use ${where}: it has both "url" and "urls"; keep one of them`);
  }
  if (remote?.places[0] === undefined) {
    throw new PluginError("fetch", `Cannot use ${where}: it has no "url"; say where the plugin is`);
  }
  if (remote.integrity) return remote.integrity;
  const message = `Cannot load "${name}": it isn't pinned; run \`xcore plugin update ${name}\``;
  throw new PluginError("fetch", message);
}

/** The path with links resolved, as far as it exists. */
function toRealPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(toRealPath(folder), basename(path));
  }
}
