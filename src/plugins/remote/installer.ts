import { relative } from "node:path";
import valid from "semver/functions/valid.js";
import { AppError } from "../../errors/errors.ts";
import { fail } from "../failure/error-codes.ts";
import { PluginError } from "../failure/failure.ts";
import { type FetchedPlugin, fetchFromMirrors, type FetchOptions } from "./fetch/fetch.ts";
import {
  compareInspections,
  hostsOf,
  inspectPlugin,
  type InspectionChange,
  type PluginInspection,
} from "./inspection.ts";
import { type Location, parseLocation } from "./fetch/location.ts";
import { placesOf, PluginEntries, type RemoteEntry, type SettingChange } from "./entries.ts";
import type { PluginStores, RemoteSettings } from "./sources.ts";
import { isIntegrity } from "../snapshot/integrity.ts";
import { assertSigned } from "../snapshot/signatures.ts";

export type { SettingChange };

export interface PluginInstallerOptions {
  /** Absolute path of config.json. */
  readonly configFile: string;
  readonly stores: PluginStores;
  /** What config.json says now. */
  readonly settings: () => RemoteSettings;
  /** Where the plugin of that name stands in the plugins directory, to show; null when there is none. */
  readonly findLocal: (name: string) => Promise<string | null>;
}

export interface PrepareOptions {
  /** What it must be. @default anything */
  readonly integrity?: string | undefined;
  /** What it must be called. @default anything */
  readonly name?: string | undefined;
  /** Whether it may come from a path on this machine. @default true */
  readonly allowsPaths?: boolean;
  /** Whether its host may have a private address without being in `plugins.fetch.allow_hosts`. @default true */
  readonly trustsPlaces?: boolean;
  /** Ends it, when nobody waits for it any more. */
  readonly signal?: AbortSignal | undefined;
}

/** A plugin that was fetched and looked at, and is not pinned yet. */
export interface PreparedPlugin {
  readonly inspection: PluginInspection;
  /** Where it will be found, as config.json will say. */
  readonly places: readonly string[];
  /** Whether config.json lists a plugin of this name. */
  readonly isListed: boolean;
  /** Whether config.json says all of this already. */
  readonly isUpToDate: boolean;
  /** What differs from the version that is pinned now; null when there is none to compare with. */
  readonly changes: readonly InspectionChange[] | null;
  readonly fetched: FetchedPlugin;
}

/** Adds plugins from elsewhere to config.json, pinned to what they are now, and takes them out again. */
export class PluginInstaller {
  readonly #options: PluginInstallerOptions;
  readonly #entries: PluginEntries;

  constructor(options: PluginInstallerOptions) {
    this.#options = options;
    this.#entries = new PluginEntries(options.configFile);
  }

  /**
   * Fetches a plugin and looks at it; none of its code runs, and nothing is written.
   *
   * @param places where it is, in the order in which they are tried
   * @throws AppError validation_error for a place or an integrity that can't be used, plugin_refused for another name, conflict for one
   * that a plugin of the plugins directory has
   * @throws FetchError when no place gives it, or gives something else than asked for
   * @throws PluginError when it can't be used, or no trusted key has signed it
   * @throws the signal's reason when it is aborted
   */
  async prepare(places: readonly string[], options: PrepareOptions = {}): Promise<PreparedPlugin> {
    const locations = places.map((place) => this.#parse(place, options));
    const expected = options.integrity ?? null;
    if (expected !== null && !isIntegrity(expected)) {
      const message = `Cannot use "${expected}" as an integrity: write it as "sha256-…", as \`xcore plugin pack\` prints it`;
      throw fail("validation_error", message);
    }
    const fetched = await fetchFromMirrors(locations, { ...this.#fetchOptions(options), expected });
    const inspection = await inspectPlugin(fetched);
    const { name, integrity } = inspection;
    if (options.name !== undefined && options.name !== name) throw refuseName(inspection, options.name);
    await this.#assertFree(name);
    const { entries, trustedKeys } = this.#options.settings();
    if (trustedKeys.length > 0) await assertSigned(integrity, fetched.snapshot.signatures, trustedKeys);
    const entry = Object.hasOwn(entries, name) ? entries[name] : undefined;
    const written = locations.map((location) => this.#toPlace(location, fetched.location));
    const isSame = entry?.integrity === integrity && Bun.deepEquals(placesOf(entry), written);
    const before = entry && (await this.#inspectPinned(entry, options));
    options.signal?.throwIfAborted();
    const after = { ...inspection, hosts: hostsOf(fetched.location, fetched.snapshot) };
    return {
      inspection,
      places: written,
      isListed: entry !== undefined,
      isUpToDate: isSame,
      changes: before ? compareInspections(before, after) : null,
      fetched,
    };
  }

  /**
   * Keeps a plugin in the cache and pins it in config.json; what else the file says stays.
   *
   * @throws PluginError when the cache can't be written
   * @throws AppError conflict when config.json can't be used
   */
  async commit({ inspection, places, fetched }: PreparedPlugin): Promise<void> {
    const { name, integrity } = inspection;
    const entry = this.#find(name);
    await this.#options.stores.store.put(fetched.snapshot, integrity);
    const isMoved = entry === null || !Bun.deepEquals(placesOf(entry), places);
    await this.#entries.pin(name, { places: isMoved ? places : null, integrity });
  }

  /**
   * Places at which a newer version of a plugin is looked for: those of its entry, npm packages at their latest.
   * What isn't pinned yet is taken as it is written.
   */
  newestPlacesOf(name: string): string[] {
    const entry = this.#find(name);
    if (entry === null) throw notListed(name);
    if (entry.integrity === undefined) return [...placesOf(entry)];
    return placesOf(entry).map((place) => {
      const location = parseLocation(place, this.#options.stores.projectDirectory);
      return location.kind === "npm" ? `npm:${location.name}` : place;
    });
  }

  /**
   * Takes a plugin out of config.json, then does `next`; puts it back when that fails.
   *
   * @throws AppError plugin_not_found; conflict when config.json can't be used
   */
  async remove(name: string, next: () => Promise<void> = async () => {}): Promise<void> {
    if (this.#find(name) === null) throw notListed(name);
    await this.#entries.remove(name, next);
  }

  /**
   * Writes into config.json whether a plugin is loaded.
   *
   * @throws AppError plugin_not_found; conflict when config.json can't be used
   */
  async setActive(name: string, active: boolean): Promise<void> {
    if (this.#find(name) === null) throw notListed(name);
    await this.#entries.setActive(name, active);
  }

  /**
   * Writes keys of a plugin's settings into config.json.
   *
   * @param options.over what config.json must hold still. @default anything
   * @throws AppError conflict when config.json can't be used, or holds something else; plugin_not_kept when it can't be
   * written
   */
  async setSettings(
    name: string,
    changes: readonly SettingChange[],
    { over }: { readonly over?: string } = {},
  ): Promise<void> {
    await this.#entries.setSettings(name, changes, over);
  }

  /** Returns a text of config.json with keys of a plugin's settings changed. @throws AppError conflict where it can't be */
  withSettings(text: string, name: string, changes: readonly SettingChange[]): string {
    return this.#entries.withSettings(text, name, changes);
  }

  /** The text of config.json; that of an empty one where there is none. @throws AppError conflict when it can't be used */
  readConfig(): string {
    return this.#entries.read();
  }

  #find(name: string): RemoteEntry | null {
    const { entries } = this.#options.settings();
    return Object.hasOwn(entries, name) ? (entries[name] ?? null) : null;
  }

  #fetchOptions({ signal, trustsPlaces }: PrepareOptions): FetchOptions {
    const { tmp, projectDirectory } = this.#options.stores;
    return {
      limits: this.#options.settings().limits,
      tmp,
      projectDirectory,
      signal,
      trustsEntry: trustsPlaces,
    };
  }

  #parse(place: string, { allowsPaths = true }: PrepareOptions): Location {
    // In config.json it would stand for a variable, whose value would be sent to the host.
    if (place.includes("${")) {
      throw invalidPlace(place, 'write "%24%7B" for the characters "${"');
    }
    const location = parseLocation(place, this.#options.stores.projectDirectory);
    if (allowsPaths || location.kind !== "path") return location;
    throw invalidPlace(place, 'give an "https:" URL or "npm:name@1.2.3"; paths are for `xcore plugin add`');
  }

  /** How config.json names a place: npm packages by their exact version, paths from its own folder on. */
  #toPlace(location: Location, used: Location): string {
    if (location.kind === "path") return toRelativePath(this.#options.stores.projectDirectory, location.path);
    if (location.kind === "http") return location.text;
    if (used.kind === "npm" && used.name === location.name) return used.text;
    if (valid(location.version) === location.version) return location.text;
    throw invalidPlace(location.text, "a mirror must be pinned to an exact version");
  }

  async #assertFree(name: string): Promise<void> {
    const local = await this.#options.findLocal(name);
    if (local === null) return;
    throw fail("conflict", `Cannot add "${name}": ${local} has this name; remove it first`);
  }

  /** What is pinned now; null when it can't be had any more, or can't be used. */
  async #inspectPinned(entry: RemoteEntry, options: PrepareOptions): Promise<PluginInspection | null> {
    const { integrity } = entry;
    if (integrity === undefined) return null;
    try {
      const locations = placesOf(entry).map((place) =>
        parseLocation(place, this.#options.stores.projectDirectory),
      );
      const [location] = locations;
      if (location === undefined) return null;
      const kept = await this.#options.stores.store.find(integrity);
      const { snapshot } =
        kept ??
        (await fetchFromMirrors(locations, {
          ...this.#fetchOptions({ signal: options.signal }), // config.json says where
          expected: integrity,
        }));
      return await inspectPlugin({ snapshot, integrity, location, hosts: hostsOf(location, snapshot) });
    } catch (error) {
      if (error instanceof PluginError || error instanceof AppError) return null;
      throw error;
    }
  }
}

function refuseName({ name, location }: PluginInspection, asked: string): AppError {
  const message = `Cannot use "${location}" as "${asked}": it is the plugin "${name}"; find out why its name differs`;
  return fail("plugin_refused", message);
}

function notListed(name: string): AppError {
  const message = `Cannot find plugin "${name}" in plugins.remote of config.json: see \`xcore plugin list\``;
  return fail("plugin_not_found", message);
}

function invalidPlace(place: string, reason: string): AppError {
  return fail("validation_error", `Cannot fetch a plugin from "${place}": ${reason}`);
}

/** With slashes on every system; a path on another drive stays whole. */
function toRelativePath(directory: string, path: string): string {
  const text = relative(directory, path).replaceAll("\\", "/");
  return text.startsWith("../") || /^[A-Za-z]:/.test(text) ? text : `./${text}`;
}
