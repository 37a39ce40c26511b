import { stat } from "node:fs/promises";
import { join } from "node:path";
import { readBunLock } from "../packages/lockfile.ts";
import { PACKAGE_NAME } from "../packages/needs.ts";

/** An npm package as it stands in a node_modules. */
export interface InstalledPackage {
  /** Where it stands, such as "node_modules/left" or "node_modules/right/node_modules/left". */
  readonly path: string;
  readonly name: string;
  /** Null when its package.json has none. */
  readonly version: string | null;
  /** What it says of its licence, mostly an SPDX expression; null for nothing. */
  readonly license: string | null;
  /** Digest of its archive as a lockfile has it, "sha512-…"; null when none does. */
  readonly integrity: string | null;
  /** Paths of the packages that it needs. */
  readonly needs: readonly string[];
}

/** Digests by package, "left@1.0.0". */
type Digests = ReadonlyMap<string, string>;

/**
 * Lists packages and all that they need, as far as it is installed, in the order of their paths.
 *
 * @param folder holds the node_modules, and the bun.lock that has the digests, where there is one
 * @param names of the packages that the folder itself needs
 * @throws PluginError for a bun.lock that can't be used
 */
export async function listInstalled(folder: string, names: Iterable<string>): Promise<InstalledPackage[]> {
  const digests = await readDigests(folder);
  const found = new Map<string, InstalledPackage>();
  const waiting = await findAll(folder, "", names);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    // oxlint-disable-next-line no-await-in-loop -- what one needs says which come next
    const one = await readInstalled(folder, path, digests);
    found.set(path, one);
    waiting.push(...one.needs);
  }
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Digests of packages, as the bun.lock of a folder has them; none without one. @throws as `readBunLock` does */
export async function readDigests(folder: string): Promise<Digests> {
  const lock = Bun.file(join(folder, "bun.lock"));
  return (await lock.exists()) ? readBunLock(await lock.bytes()).digests : new Map();
}

/** Reads one package. What its package.json doesn't say, or not as npm knows it, is null. */
export async function readInstalled(
  folder: string,
  path: string,
  digests: Digests,
): Promise<InstalledPackage> {
  const manifest = await readManifest(join(folder, path));
  const shown = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
  const name = toText(manifest["name"]) ?? shown;
  const version = toText(manifest["version"]);
  const needs = await findAll(folder, path, listNeeds(manifest));
  const integrity = digests.get(`${name}@${version}`) ?? null;
  return { path, name, version, license: findLicense(manifest), integrity, needs: needs.toSorted() };
}

async function readManifest(folder: string): Promise<Record<string, unknown>> {
  try {
    return toRecord(await Bun.file(join(folder, "package.json")).json());
  } catch {
    return {};
  }
}

/** Names of what a package needs; what it can do without is often not there. */
function listNeeds(manifest: Record<string, unknown>): string[] {
  const meta = toRecord(manifest["peerDependenciesMeta"]);
  const peers = Object.keys(toRecord(manifest["peerDependencies"])).filter(
    (name) => toRecord(meta[name])["optional"] !== true,
  );
  const others = ["dependencies", "optionalDependencies"].flatMap((kind) =>
    Object.keys(toRecord(manifest[kind])),
  );
  return [...new Set([...others, ...peers])];
}

async function findAll(folder: string, from: string, names: Iterable<string>): Promise<string[]> {
  const found = await Promise.all([...names].map((name) => find(folder, from, name)));
  return found.filter((path) => path !== null);
}

/** Finds a package as Node.js does: inside of the one that needs it, then in each node_modules around it. */
async function find(folder: string, from: string, name: string): Promise<string | null> {
  if (!PACKAGE_NAME.test(name)) return null;
  for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf("/node_modules/")))) {
    const path = `${base === "" ? "" : `${base}/`}node_modules/${name}`;
    // oxlint-disable-next-line no-await-in-loop -- the nearest counts
    if (await isThere(join(folder, path, "package.json"))) return path;
    if (base === "") return null;
  }
}

function findLicense(manifest: Record<string, unknown>): string | null {
  const { license, licenses } = manifest;
  if (license !== undefined) return toText(license) ?? toText(toRecord(license)["type"]);
  if (!Array.isArray(licenses)) return null;
  const types = licenses.flatMap((one) => toText(one) ?? toText(toRecord(one)["type"]) ?? []);
  return types.length === 0 ? null : types.join(" OR ");
}

function toText(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function toRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
