import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Logger } from "pino";
import { parseByteSize } from "../../config/schema.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { PackageStore } from "../packages/package-store.ts";
import type { FetchLimits } from "./fetch/fetch-plugin.ts";
import type { RemoteSettings } from "./sources.ts";
import { SnapshotStore } from "../snapshot/store.ts";

/** Where plugins from elsewhere and npm dependencies are kept: the cache in the data directory, and `vendor/`. */
export interface PluginStores {
  readonly store: SnapshotStore;
  readonly packages: PackageStore;
  /** Folder for what is being fetched. */
  readonly tmp: string;
  /** Folder of config.json. */
  readonly projectDirectory: string;
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

/** The path with links resolved, as far as it exists. */
function toRealPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(toRealPath(folder), basename(path));
  }
}
