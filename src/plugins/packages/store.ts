import { chmod, cp, mkdir, readdir, realpath, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Logger } from "pino";
import { makeTemporaryFolder } from "../../files/temporary-folder.ts";
import { PluginError } from "../failure/failure.ts";
import { type BundledFiles, FILES_LIST, findDamage } from "./files.ts";
import { type PackageNeeds, readPackageNeeds } from "./needs.ts";

export interface PackageStoreOptions {
  /** `<data directory>/plugins`: where packages are installed. */
  readonly cache: string;
  /** `vendor/plugins` beside config.json: looked at first. */
  readonly vendor: string;
  /** Folder of config.json. */
  readonly projectDirectory: string;
  readonly isOffline: () => boolean;
  readonly log: Logger;
}

export interface EnsureOptions {
  /** Name of the plugin that needs them. */
  readonly plugin: string;
  readonly signal?: AbortSignal | undefined;
  /** Called when they aren't there and are going to be installed. */
  readonly onInstall?: (() => void) | undefined;
}

interface Installation {
  readonly done: Promise<string>;
  readonly controller: AbortController;
  /** Number of loads that wait for it: it is aborted when none is left. */
  waiting: number;
}

/**
 * The npm packages of plugins, a folder for each set of needs: `packages/<hash>/node_modules`. A folder is made
 * elsewhere and renamed into place, so that it is whole or not there, for other processes too. It is never changed.
 */
export class PackageStore {
  readonly #options: PackageStoreOptions;
  readonly #installations = new Map<string, Installation>();
  /** Vendored folders in which damage was found: not this process's to remove. */
  readonly #damaged = new Set<string>();

  constructor(options: PackageStoreOptions) {
    this.#options = options;
  }

  /** Returns the folder that holds node_modules for some needs, null when they aren't installed. */
  async find(needs: PackageNeeds): Promise<string | null> {
    for (const place of [this.#options.vendor, this.#options.cache]) {
      const folder = await findFolder(place, needs.hash);
      if (folder !== null && !this.#damaged.has(folder)) return folder;
    }
    return null;
  }

  /**
   * Returns the folder that holds node_modules for some needs, and installs them when they aren't there. Those who
   * want the same at once wait for one installation.
   *
   * @throws PluginError when they can't be installed; the signal's reason when it is aborted. Nothing is left then
   */
  async ensure(needs: PackageNeeds, { plugin, signal, onInstall }: EnsureOptions): Promise<string> {
    signal?.throwIfAborted();
    const found = await this.find(needs);
    if (found !== null) return found;
    if (this.#options.isOffline()) {
      throw new PluginError(
        "install",
        `Cannot install the npm dependencies of "${plugin}": xcore is offline and they aren't in ` +
          'the cache; start once without "--offline", or run "xcore plugin vendor"',
      );
    }
    signal?.throwIfAborted();
    onInstall?.();
    const installation = this.#installations.get(needs.hash) ?? this.#start(needs, plugin);
    return this.#wait(installation, needs.hash, signal);
  }

  /**
   * Makes sure that files of a folder are as they were installed.
   *
   * @param bundled checks only these; those outside of the folder are left out. @default every file
   * @throws PluginError when one isn't. The folder is thrown away then, so that the next load installs anew; a
   * vendored one is passed over until the next start
   */
  async assertIntact(folder: string, bundled?: BundledFiles): Promise<void> {
    const damage = await findDamage(folder, bundled);
    if (damage === null) return;
    const isVendored = dirname(dirname(folder)) === (await toRealPath(this.#options.vendor));
    if (isVendored) this.#damaged.add(folder);
    else await this.#discard(folder);
    const shown = relative(this.#options.projectDirectory, join(folder, damage)).replaceAll("\\", "/");
    const advice = isVendored
      ? 'run "xcore plugin vendor" again'
      : "reload the plugin, which installs it again";
    throw new PluginError("install", `Cannot use "${shown}": it isn't as it was installed; ${advice}`, {
      file: shown,
    });
  }

  /**
   * Installs the packages that a plugin needs, and copies them into the project.
   *
   * @param read gives a file of the plugin's folder, null when there is none
   * @returns what it needs; null for nothing
   * @throws PluginError as `readPackageNeeds` and `ensure` do
   */
  async vendor(
    plugin: string,
    read: (name: string) => Promise<Uint8Array | null>,
  ): Promise<PackageNeeds | null> {
    const needs = await readPackageNeeds(read);
    if (needs === null) return null;
    await this.ensure(needs, { plugin });
    await this.copyToVendor(needs);
    return needs;
  }

  /**
   * Copies the folder for some needs, which must be installed, into the project.
   *
   * @returns the copy
   */
  async copyToVendor(needs: PackageNeeds): Promise<string> {
    const { vendor, cache } = this.#options;
    const vendored = await findFolder(vendor, needs.hash);
    if (vendored !== null) {
      if ((await findDamage(vendored)) === null) return vendored;
      await rm(vendored, { recursive: true });
      this.#damaged.delete(vendored);
    }
    const installed = await findFolder(cache, needs.hash);
    if (installed === null) throw new TypeError(`Packages ${needs.hash} aren't installed`);
    await this.assertIntact(installed);
    const tmp = await makeTemporary(vendor);
    try {
      await cp(installed, tmp, { recursive: true });
      // A project's own .gitignore says node_modules, and dist, which packages are full of.
      await writeFile(join(vendor, ".gitignore"), "!*\n/tmp/\n");
      return await moveIntoPlace(tmp, vendor, needs.hash);
    } finally {
      await rm(tmp, { recursive: true, force: true });
      await rmdir(dirname(tmp)).catch(() => undefined); // Another process may be at it.
    }
  }

  /**
   * Removes the vendored folders that nothing needs any more.
   *
   * @returns their hashes
   */
  async pruneVendor(needed: readonly PackageNeeds[]): Promise<string[]> {
    const kept = new Set(needed.map(({ hash }) => hash));
    const folder = join(this.#options.vendor, "packages");
    const names = await readdir(folder).catch(() => []);
    const unneeded = names.filter((name) => !kept.has(name));
    for (const name of unneeded) await rm(join(folder, name), { recursive: true, force: true });
    return unneeded;
  }

  #start(needs: PackageNeeds, plugin: string): Installation {
    const controller = new AbortController();
    const done = this.#install(needs, plugin, controller.signal).finally(() => {
      if (this.#installations.get(needs.hash) === installation) this.#installations.delete(needs.hash);
    });
    const installation: Installation = { done, controller, waiting: 0 };
    this.#installations.set(needs.hash, installation);
    return installation;
  }

  async #wait(installation: Installation, hash: string, signal: AbortSignal | undefined): Promise<string> {
    installation.waiting += 1;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = (): void => {
      installation.waiting -= 1;
      if (installation.waiting > 0) return reject(signal?.reason);
      if (this.#installations.get(hash) === installation) this.#installations.delete(hash);
      installation.controller.abort(signal?.reason); // `done` rejects once nothing is left of it.
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([installation.done, aborted]);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async #install(needs: PackageNeeds, plugin: string, signal: AbortSignal): Promise<string> {
    const { cache, projectDirectory } = this.#options;
    const log = this.#options.log.child({ plugin });
    const startedAt = performance.now();
    const packages = Object.keys(needs.dependencies).length;
    const tmp = await makeTemporary(cache);
    try {
      log.info({ packages, frozen: needs.isFrozen }, "installing npm dependencies");
      const { installPackages } = await import("./install.ts");
      await installPackages(tmp, needs, { plugin, projectDirectory, log, signal });
      signal.throwIfAborted();
      const folder = await moveIntoPlace(tmp, cache, needs.hash);
      log.info({ packages, ms: Math.round(performance.now() - startedAt) }, "installed npm dependencies");
      return folder;
    } catch (error) {
      if (error instanceof PluginError || signal.aborted) throw error;
      const message = `Cannot install the npm dependencies of "${plugin}": ${(error as Error).message}`;
      throw new PluginError("install", message, { cause: error });
    } finally {
      await rm(tmp, { recursive: true, force: true });
    }
  }

  async #discard(folder: string): Promise<void> {
    this.#options.log.warn({ folder }, "npm dependencies are damaged: removing them");
    const tmp = await makeTemporary(this.#options.cache);
    // Renamed away in one step: a folder that is half removed must not be found.
    await rename(folder, join(tmp, "damaged")).catch(() => undefined);
    await rm(tmp, { recursive: true, force: true });
  }
}

/** The list of files is written last, and with it the folder is whole. */
async function findFolder(place: string, hash: string): Promise<string | null> {
  try {
    return dirname(await realpath(join(place, "packages", hash, FILES_LIST)));
  } catch {
    return null;
  }
}

async function makeTemporary(place: string): Promise<string> {
  try {
    return await makeTemporaryFolder(join(place, "tmp"));
  } catch (error) {
    throw new PluginError(
      "install",
      `Cannot keep npm dependencies in "${place}": ${(error as Error).message}; ` +
        "let the user that xcore runs as write there",
      { cause: error },
    );
  }
}

/** Renames a finished folder into place. The process that is first wins: another may have made the same. */
async function moveIntoPlace(tmp: string, place: string, hash: string): Promise<string> {
  const target = join(place, "packages", hash);
  await mkdir(dirname(target), { recursive: true });
  await chmod(tmp, 0o755);
  try {
    await rename(tmp, target);
  } catch (error) {
    const there = await findFolder(place, hash);
    if (there !== null) return there;
    if (!["ENOTEMPTY", "EEXIST", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await rm(target, { recursive: true, force: true }); // It isn't whole: nobody else is making it there.
    await rename(tmp, target);
  }
  return realpath(target);
}

async function toRealPath(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}
