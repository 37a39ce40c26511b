import { posix } from "node:path";
import { DIALECTS, type Dialect } from "../../db/contract/driver.ts";
import { InvalidMigrationError } from "../../db/migrations/error.ts";
import { PluginError } from "../failure/failure.ts";
import { type Manifest, parseManifest, parsePluginInfo } from "../source/manifest.ts";
import { isFolder, parsePinnedMigrations } from "../source/pinned.ts";
import { readPackageNeeds } from "../packages/needs.ts";
import { OPEN, showGuards, type Surface } from "../source/surface.ts";
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

/** One thing that differs between two versions of a plugin. */
export interface InspectionChange {
  /** "version", "size", "route", "permission", "package", … */
  readonly what: string;
  /** Which one, of what there are several of; null otherwise. */
  readonly name: string | null;
  /** What it was; null when it is new. */
  readonly before: string | number | null;
  /** What it is; null when it is gone. */
  readonly after: string | number | null;
}

const SCALARS = [
  "name",
  "version",
  "description",
  "author",
  "entry",
  "api_prefix",
  "modules",
  "files",
  "size",
  "integrity",
] as const;

/**
 * Tells what a plugin is and brings, from its bytes alone: none of its code is run.
 *
 * @throws PluginError when its manifest, entry, migrations or npm dependencies can't be used
 */
export async function inspectPlugin(fetched: FetchedPlugin): Promise<PluginInspection> {
  const { snapshot, integrity, location, hosts } = fetched;
  const { files } = snapshot;
  const manifest = await readManifestOf(snapshot, location);
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

/**
 * Lists what differs between two versions of a plugin: first the routes that have lost their guards, then what it is,
 * then what it brings.
 */
export function compareInspections(before: PluginInspection, after: PluginInspection): InspectionChange[] {
  const scalars = SCALARS.map((what) => ({ what, name: null, before: before[what], after: after[what] }));
  const surface = {
    what: "surface",
    name: null,
    before: describeSurface(before),
    after: describeSurface(after),
  };
  // What is declared no more isn't gone.
  const known = after.surface === null ? { ...before, surface: null } : before;
  const tellsJobs = known.surface?.jobs !== undefined && after.surface?.jobs !== undefined;
  const sides = [toItems(known, { tellsJobs }), toItems(after, { tellsJobs })] as const;
  const items = [...new Set([...sides[0].keys(), ...sides[1].keys()])].map((key) => {
    const [what = "", ...name] = key.split(" ");
    return {
      what,
      name: name.join(" "),
      before: sides[0].get(key) ?? null,
      after: sides[1].get(key) ?? null,
    };
  });
  const changes = [surface, ...scalars, ...items].filter((change) => change.before !== change.after);
  return changes.toSorted((a, b) => Number(hasLostGuard(b)) - Number(hasLostGuard(a)));
}

/** Puts changes in words, a line each: "version 1.0.0 → 1.1.0", "+ route GET /invoices/export: OPEN". */
export function describeChanges(changes: readonly InspectionChange[]): string[] {
  return changes.map((change) => {
    const { what, name, before, after } = change;
    const subject = `${hasLostGuard(change) ? "! " : ""}${name === null ? what : `${what} ${name}`}`;
    if (name === null) return `${subject} ${before ?? "none"} → ${after ?? "none"}`;
    if (before === null) return `+ ${subject}${toDetail(name, after)}`;
    if (after === null) return `- ${subject}${toDetail(name, before)}`;
    return `${subject}: ${before} → ${after}`;
  });
}

async function readManifestOf(snapshot: Snapshot, location: Location): Promise<Manifest> {
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

/** Whether a route that asked for somebody is open now, or nothing is said of the routes any more. */
function hasLostGuard({ what, before, after }: InspectionChange): boolean {
  if (what === "surface") return after === null;
  return what === "route" && isGuarded(before) && after !== null && !isGuarded(after);
}

function isGuarded(guards: InspectionChange["before"]): boolean {
  return guards !== null && !String(guards).startsWith(OPEN);
}

function describeSurface({ surface }: PluginInspection): string | null {
  return surface && "declared";
}

function toDetail(name: string, value: string | number | null): string {
  return value === name || value === null || value === "" ? "" : `: ${value}`;
}

function describePayload(payload: unknown): string {
  if (payload === undefined || payload === null) return "payload not told";
  const text = JSON.stringify(payload);
  return text === "{}" ? "any payload" : `payload ${text}`;
}

/** What there are several of, by kind and name. */
function toItems(
  inspection: PluginInspection,
  { tellsJobs }: { readonly tellsJobs: boolean },
): Map<string, string> {
  const items = new Map<string, string>();
  const addNames = (what: string, names: readonly string[]): void => {
    for (const name of names) items.set(`${what} ${name}`, name);
  };
  const addValues = (what: string, values: Readonly<Record<string, string>>): void => {
    for (const [name, value] of Object.entries(values)) items.set(`${what} ${name}`, value);
  };
  addNames("host", inspection.hosts);
  addNames("signer", inspection.signers);
  for (const route of inspection.surface?.routes ?? [])
    items.set(`route ${route.method} ${route.path}`, showGuards(route));
  addNames("hook", inspection.surface?.hooks ?? []);
  addNames("table", inspection.surface?.tables ?? []);
  if (tellsJobs) {
    for (const { name, payload } of inspection.surface?.jobs ?? [])
      items.set(`job ${name}`, describePayload(payload));
  }
  addValues("permission", inspection.permissions);
  addValues("dependency", inspection.dependencies);
  addValues("package", inspection.packages);
  for (const dialect of DIALECTS) {
    addNames(
      "migration",
      inspection.migrations[dialect].map((name) => `${dialect}/${name}`),
    );
  }
  return items;
}
