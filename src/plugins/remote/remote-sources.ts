import { dirname, join, relative } from "node:path";
import { PluginError } from "../failure/failure.ts";
import type { PluginSource, RemoteOrigin } from "../source/sources.ts";
import { FetchError } from "./fetch/error.ts";
import { fetchFromMirrors, type FetchLimits } from "./fetch/fetch-plugin.ts";
import { parseLocation } from "./fetch/location.ts";
import { placesOf, type RemoteEntry } from "./remote-entries.ts";
import { assertSigned } from "../snapshot/signatures.ts";
import { isUrlName } from "../snapshot/snapshot.ts";
import type { OpenedSnapshot, SnapshotStore } from "../snapshot/store.ts";

/** What config.json says of plugins from elsewhere. */
export interface RemoteSettings {
  /** By name. */
  readonly entries: Readonly<Record<string, RemoteEntry>>;
  /** Public keys of which one must have signed each; none: unsigned ones are taken. */
  readonly trustedKeys: readonly string[];
  readonly limits: FetchLimits;
}

export interface RemoteSourcesOptions {
  readonly store: SnapshotStore;
  /** Folder of config.json. */
  readonly projectDirectory: string;
  /** Folder for what is being fetched. */
  readonly tmp: string;
}

/** A plugin from elsewhere whose bytes are there, and are those that its pin asks for. */
export interface OpenedSource {
  readonly source: PluginSource;
  readonly opened: OpenedSnapshot;
}

/**
 * The plugins of `plugins.remote`: finds them in `vendor/` and in the cache, and fetches those that aren't there.
 * Nothing that differs from its pin, or that lacks a trusted signature, leaves this class.
 */
export class RemoteSources {
  readonly #options: RemoteSourcesOptions;
  #settings: RemoteSettings;

  constructor(options: RemoteSourcesOptions, settings: RemoteSettings) {
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
  async find(source: PluginSource): Promise<OpenedSource | null> {
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
  async fetch(source: PluginSource, signal: AbortSignal): Promise<OpenedSource> {
    const { store, projectDirectory, tmp } = this.#options;
    const integrity = assertPinned(source, this.#settings.entries[source.basename]);
    const locations = source.remote?.places.map((place) => parseLocation(place, projectDirectory)) ?? [];
    const { limits } = this.#settings;
    const options = { limits, tmp, projectDirectory, signal, expected: integrity };
    const { snapshot } = await fetchFromMirrors(locations, options).catch((error: unknown) => {
      if (error instanceof PluginError || signal.aborted) throw error;
      throw new FetchError((error as Error).message, { cause: error });
    });
    signal.throwIfAborted();
    return this.#check(source, await store.put(snapshot, integrity));
  }

  /** Finds a plugin, or fetches it. @throws as `find` and `fetch` do */
  async open(source: PluginSource, signal: AbortSignal): Promise<OpenedSource> {
    return (await this.find(source)) ?? (await this.fetch(source, signal));
  }

  async #check(source: PluginSource, opened: OpenedSnapshot): Promise<OpenedSource> {
    const { trustedKeys } = this.#settings;
    const { integrity, snapshot } = opened;
    if (trustedKeys.length > 0) await assertSigned(integrity, snapshot.signatures, trustedKeys);
    return { source: toOpenedSource(source, opened), opened };
  }
}

function toSource(name: string, entry: RemoteEntry): PluginSource {
  const { integrity, active = true } = entry;
  const remote: RemoteOrigin = {
    places: placesOf(entry),
    integrity: integrity ?? null,
    isActive: active,
    show: (file) => file,
  };
  return { id: `remote:${name}`, path: "", basename: name, kind: "folder", root: "", remote };
}

function toOpenedSource(source: PluginSource, opened: OpenedSnapshot): PluginSource {
  const { snapshot, root } = opened;
  const { entry } = snapshot;
  const isFolder = entry === "plugin.json";
  const path = isFolder ? root : join(root, entry);
  const urls = new Map(
    [...snapshot.files.keys()].filter(isUrlName).map((name) => [opened.pathOf(name), name]),
  );
  const base = source.remote?.places[0] ?? source.basename;
  const show = (file: string): string => urls.get(file) ?? showBelow(base, relative(root, file), isFolder);
  const remote = source.remote && { ...source.remote, show };
  return { ...source, kind: isFolder ? "folder" : "file", path, root: path, remote };
}

/** "https://host/crm/plugin.json" and "lib/tax.ts" are shown as "https://host/crm/lib/tax.ts". */
function showBelow(place: string, path: string, isFolder: boolean): string {
  if (path === "") return place;
  const isListed = place.endsWith("/plugin.json") || !isFolder;
  return `${isListed ? dirname(place) : place}/${path}`;
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
