import { posix } from "node:path";
import { DIALECTS, type Dialect } from "../../db/contract/driver.ts";
import { InvalidMigrationError } from "../../db/migrations/error.ts";
import { PluginError } from "../failure/failure.ts";
import { type Manifest, parseManifest, parsePluginInfo } from "../source/manifest.ts";
import { isFolder, parsePinnedMigrations } from "../source/pinned.ts";
import { readPackageNeeds } from "../packages/needs.ts";
import type { Surface } from "../source/surface.ts";
import type { FetchedPlugin } from "./fetch/fetch.ts";
import type { Location } from "./fetch/location.ts";
import { listSigners } from "../snapshot/signatures.ts";
import { isUrlName, type Snapshot } from "../snapshot/snapshot.ts";

/** Ends of names, also of URLs, that hold code: no declarations, and no tests. */
const CODE = /(?<!\.d|\.test)\.(?:[jt]sx?|[cm][jt]s)(?:\?.*)?$/;

/** What can be told of a plugin before any of its code runs. */
export interface PluginInspection {
  readonly name: string;
  readonly version: string;
  readonly description: string | null;
  readonly author: string | null;
  /** Where it was found. */
  readonly location: string;
  readonly integrity: string;
  /** Keys that have signed it. */
  readonly signers: readonly string[];
  /** File that exports the router. */
  readonly entry: string;
  readonly api_prefix: string;
  /** Number of its files that hold code. */
  readonly modules: number;
  /** Number of all its files. */
  readonly files: number;
  /** Bytes of all its files. */
  readonly size: number;
  /** Hosts that it comes from. */
  readonly hosts: readonly string[];
  /** Permissions that it defines, with descriptions. */
  readonly permissions: Readonly<Record<string, string>>;
  /** Plugins that it imports: version ranges by name. */
  readonly dependencies: Readonly<Record<string, string>>;
  /** npm packages that it needs: version ranges by name. */
  readonly packages: Readonly<Record<string, string>>;
  /** What it declares that it registers, which its load is held to; null when it declares nothing. */
  readonly surface: Surface | null;
  /** Names of its migrations, by dialect. */
  readonly migrations: Readonly<Record<Dialect, readonly string[]>>;
}

/**
 * Tells what a plugin is and brings, from its bytes alone: none of its code is run.
 *
 * @throws PluginError when its manifest, entry, migrations or npm dependencies can't be used
 */
export async function inspectPlugin(fetched: FetchedPlugin): Promise<PluginInspection> {
  const { snapshot, integrity, location, hosts } = fetched;
  const { files } = snapshot;
  const manifest = readManifestOf(snapshot, location);
  assertEntry(snapshot, manifest);
  return {
    name: manifest.name,
    version: manifest.version,
    description: manifest.description,
    author: manifest.author,
    location: location.text,
    integrity,
    signers: await listSigners(integrity, snapshot.signatures),
    entry: isFolder(snapshot) ? manifest.entry : snapshot.entry,
    api_prefix: manifest.api_prefix,
    modules: [...files.keys()].filter((name) => CODE.test(name)).length,
    files: files.size,
    size: [...files.values()].reduce((total, content) => total + content.length, 0),
    hosts,
    permissions: manifest.permissions,
    dependencies: manifest.dependencies,
    packages: isFolder(snapshot) ? await readPackages(snapshot) : {},
    surface: manifest.surface,
    migrations: readMigrationNames(snapshot),
  };
}

/** The hosts that a plugin is made of: that of its place, and those of the modules from elsewhere. */
export function hostsOf(location: Location, { files, redirects }: Snapshot): string[] {
  const names = [...files.keys(), ...redirects.keys()].filter(isUrlName);
  const hosts = names.map((name) => new URL(name).host);
  return [...new Set(location.kind === "http" ? [location.url.host, ...hosts] : hosts)];
}

function readManifestOf(snapshot: Snapshot, location: Location): Manifest {
  const { entry, files } = snapshot;
  const file = showEntry(entry, location);
  const text = new TextDecoder().decode(files.get(entry));
  return (isFolder(snapshot) ? parseManifest : parsePluginInfo)(text, file);
}

function showEntry(entry: string, { text }: Location): string {
  return text.endsWith(`/${entry}`) ? text : `${text}/${entry}`;
}

function assertEntry(snapshot: Snapshot, { entry }: Manifest): void {
  if (!isFolder(snapshot)) return;
  const name = posix.normalize(entry);
  const { files, redirects } = snapshot;
  if (files.has(redirects.get(name) ?? name)) return;
  const message = `Cannot find entry "${entry}" among its files: its author must name one of them in "entry"`;
  throw new PluginError("manifest", message, { file: "plugin.json" });
}

async function readPackages({ files }: Snapshot): Promise<Readonly<Record<string, string>>> {
  const needs = await readPackageNeeds(async (name) => files.get(name) ?? null);
  if (needs === null) return {};
  if (needs.isFrozen) return needs.dependencies;
  throw new PluginError(
    "install",
    "Cannot pin its npm dependencies: it brings no lockfile, so they could change any time; " +
      "its author must publish it with a bun.lock, which `xcore plugin pack` makes",
    { file: "package.json" },
  );
}

function readMigrationNames(snapshot: Snapshot): Record<Dialect, string[]> {
  const names: Record<Dialect, string[]> = { sqlite: [], postgres: [], mysql: [] };
  for (const dialect of DIALECTS) names[dialect] = listMigrations(snapshot, dialect);
  return names;
}

function listMigrations(snapshot: Snapshot, dialect: Dialect): string[] {
  try {
    return parsePinnedMigrations(snapshot, dialect, `drizzle/${dialect}`).map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof InvalidMigrationError)) throw error;
    throw new PluginError("migrate", error.message, { cause: error });
  }
}
