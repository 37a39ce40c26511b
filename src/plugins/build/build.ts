import type { Logger } from "pino";
import { type Bundle, bundleFiles } from "./bundle.ts";
import type { BundleCache } from "./bundle-cache.ts";
import { PluginError } from "../failure/failure.ts";
import { readPackageNeeds } from "../packages/needs.ts";
import type { PackageStore } from "../packages/store.ts";
import type { PluginFiles } from "../source/files.ts";
import { atStage, type ThrownOptions } from "./thrown.ts";
import { Turns } from "./turns.ts";

export interface PluginBundleOptions {
  readonly files: PluginFiles;
  /** Absolute paths of files of the plugin, with links resolved. */
  readonly entries: readonly string[];
  /** Its name. */
  readonly plugin: string;
  readonly packages: PackageStore;
  /** Where its bundle may be, and is kept. @default nowhere */
  readonly bundles?: BundleCache | null;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Told when its npm packages begin to be installed, and when they are. @default nobody is */
  readonly onInstall?: (isInstalling: boolean) => void;
  /** How its failures are told. */
  readonly failure: ThrownOptions;
  /** Shared with other loads. @default there are none */
  readonly turns?: Turns;
}

/**
 * Bundles files of a plugin with its npm packages, which are installed when they aren't there yet, and once more when
 * they turn out to be damaged.
 *
 * @throws PluginError of stage "install" or "bundle"
 */
export async function bundlePlugin(options: PluginBundleOptions): Promise<Bundle> {
  const { failure, signal, turns = new Turns() } = options;
  const bundle = (folder: string | null) =>
    atStage("bundle", failure, () => turns.apart(() => bundleWith(folder, options)));
  const packages = await atStage("install", failure, () => ensurePackages(options));
  try {
    return await bundle(packages);
  } catch (error) {
    if (packages === null || signal.aborted || (await isIntact(packages, options))) throw error;
  }
  const installed = await atStage("install", failure, () => ensurePackages(options));
  return bundle(installed);
}

async function bundleWith(
  folder: string | null,
  { files, entries, packages, bundles }: PluginBundleOptions,
): Promise<Bundle> {
  const what = { entries, packages: folder };
  const make = (): Promise<Bundle> => bundleFiles(files, what);
  const bundle = await (bundles?.getOrMake({ files, ...what }, make) ?? make());
  if (folder !== null) await packages.assertIntact(folder, bundle.inputs);
  return bundle;
}

/** Returns the folder of the plugin's npm packages; null for a plugin that has none, or brings them itself. */
async function ensurePackages(options: PluginBundleOptions): Promise<string | null> {
  const { files, plugin, packages, log, signal, onInstall = () => {} } = options;
  try {
    const needs = await readPackageNeeds(files.read);
    if (needs === null) return null;
    if (files.overlay !== null && !needs.isFrozen) throw withoutLockfile(plugin);
    return await packages.ensure(needs, { plugin, signal, onInstall: () => onInstall(true) });
  } catch (error) {
    if (!(error instanceof PluginError) || !files.bringsPackages()) throw error;
    log.warn({ plugin, reason: error.message }, "the plugin's own node_modules is used");
    return null;
  } finally {
    onInstall(false);
  }
}

function withoutLockfile(plugin: string): PluginError {
  const message =
    `Cannot install the npm dependencies of "${plugin}": it brings no lockfile, so its pin doesn't ` +
    "cover them; its author makes one with `xcore plugin pack`";
  return new PluginError("install", message);
}

async function isIntact(folder: string, { packages }: PluginBundleOptions): Promise<boolean> {
  return packages.assertIntact(folder).then(
    () => true,
    () => false,
  );
}
