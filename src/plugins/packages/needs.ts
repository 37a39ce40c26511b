import { existsSync, readdirSync } from "node:fs";
import { parseJsonDocument } from "../../config/json/document.ts";
import { PluginError } from "../failure/failure.ts";
import { EXTERNAL_SPECIFIERS } from "../given/host-modules.ts";
import { LOCKFILES, readBunLock } from "./lockfile.ts";

/** The npm packages that a plugin needs: what is installed follows from these files alone. */
export interface PackageNeeds {
  /** Names the result: the same needs give the same, on this kind of machine. */
  readonly hash: string;
  /** Version ranges by name, without the packages that xcore embeds. */
  readonly dependencies: Readonly<Record<string, string>>;
  /** package.json, with the keys that matter only, and the lockfile. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Whether there is a lockfile, so that exactly the versions that it names are installed. */
  readonly isFrozen: boolean;
}

type Versions = Record<string, string>;

/** What npm knows as dependencies; development dependencies are never installed. */
const INSTALLED_KINDS = ["dependencies", "optionalDependencies", "peerDependencies"] as const;
/** What decides over the versions of packages wherever they are needed. */
const OVERRIDING_KINDS = ["overrides", "resolutions"] as const;
/** What npm takes as the name of a package. */
export const PACKAGE_NAME = /^(?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*$/i;
/** A range, a tag, or either of another package: `npm:@scope/name@^1.0.0`. */
const REGISTRY_SPEC = /^(?:npm:(?:@[^/:@]+\/)?[^/:@]+(?:@[^/:@]*)?|[^/:@]*)$/;
const MAX_PACKAGES = 1000; // in package.json; more only happens by accident

/** Names of the npm packages that xcore embeds: a plugin's bundle never holds its own copy of them. */
export const HOST_PACKAGES: ReadonlySet<string> = new Set(
  EXTERNAL_SPECIFIERS.map((specifier) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")),
);

/**
 * Reads which npm packages a plugin needs.
 *
 * @param read gives a file of the plugin's folder, null when there is none
 * @returns null when it needs none
 * @throws PluginError for a package.json or a lockfile that can't be followed
 */
export async function readPackageNeeds(
  read: (name: string) => Promise<Uint8Array | null>,
): Promise<PackageNeeds | null> {
  const content = await read("package.json");
  if (content === null) return null;
  const manifest = parsePackageJson(content);
  const dependencies = Object.fromEntries(
    INSTALLED_KINDS.toReversed()
      .flatMap((kind) => Object.entries(readVersions(manifest, kind)))
      .filter(([name]) => !HOST_PACKAGES.has(name) && !isOptionalPeer(manifest, name)),
  );
  const count = Object.keys(dependencies).length;
  if (count === 0) return null;
  if (count > MAX_PACKAGES) throw invalid(`it names ${count} packages, of ${MAX_PACKAGES} at most`);
  for (const [name, spec] of Object.entries(dependencies)) assertFromRegistry(name, spec);
  for (const kind of OVERRIDING_KINDS) assertOverrides(kind, manifest[kind] ?? {}, kind);
  if (manifest["patchedDependencies"] !== undefined) throw invalid('"patchedDependencies" is not supported');
  const lockfile = await readLockfile(read);
  const isFrozen = lockfile !== null;
  const written = Buffer.from(JSON.stringify(toInstalled(manifest, isFrozen)));
  const files = new Map<string, Uint8Array>([["package.json", written]]);
  if (lockfile !== null) files.set(lockfile.name, lockfile.content);
  const isPortable = lockfile?.name === "bun.lock" && readBunLock(lockfile.content).isPortable;
  return { hash: hashOf(files, isPortable ? "any" : describePlatform()), dependencies, files, isFrozen };
}

function parsePackageJson(content: Uint8Array): Record<string, unknown> {
  const { value, faults } = parseJsonDocument(new TextDecoder().decode(content));
  const [fault] = faults;
  if (fault !== undefined) {
    throw new PluginError("install", `Cannot read package.json: ${fault.message}`, {
      file: "package.json",
      line: fault.position.line,
    });
  }
  if (!isRecord(value)) throw invalid("expected an object");
  return value;
}

function readVersions(manifest: Record<string, unknown>, kind: string): Versions {
  const versions = manifest[kind] ?? {};
  if (!isRecord(versions)) throw invalid(`expected an object of versions in "${kind}"`);
  for (const [name, spec] of Object.entries(versions)) {
    if (!PACKAGE_NAME.test(name))
      throw invalid(`${JSON.stringify(name)} in "${kind}" is no name of a package`);
    if (typeof spec !== "string") throw invalid(`expected a version of "${name}" in "${kind}"`);
  }
  return versions as Versions;
}

function isOptionalPeer(manifest: Record<string, unknown>, name: string): boolean {
  const { dependencies, optionalDependencies, peerDependenciesMeta: meta } = manifest;
  if ([dependencies, optionalDependencies].some((kind) => isRecord(kind) && Object.hasOwn(kind, name)))
    return false;
  const entry = isRecord(meta) && Object.hasOwn(meta, name) ? meta[name] : null;
  return isRecord(entry) && entry["optional"] === true;
}

/** What lies elsewhere on the machine or on a host of its own is in no registry, so nothing says what it holds. */
function assertFromRegistry(name: string, spec: string): void {
  if (REGISTRY_SPEC.test(spec) && !/\.(tgz|tar\.gz|tar)$/i.test(spec)) return;
  throw invalid(
    `"${name}" comes from ${JSON.stringify(spec)}; name a version of the npm registry, such as "^1.0.0"`,
  );
}

/** @param name of the package that is meant: npm lets overrides stand in others, where "." is the one around it */
function assertOverrides(name: string, value: unknown, kind: string): void {
  if (typeof value === "string") return assertFromRegistry(name, value);
  if (!isRecord(value)) throw invalid(`expected a version of "${name}" in "${kind}"`);
  for (const [key, inner] of Object.entries(value)) assertOverrides(key === "." ? name : key, inner, kind);
}

async function readLockfile(
  read: (name: string) => Promise<Uint8Array | null>,
): Promise<{ name: string; content: Uint8Array } | null> {
  for (const name of LOCKFILES) {
    const content = await read(name);
    if (content !== null) return { name, content };
  }
  if ((await read("bun.lockb")) === null) return null;
  throw new PluginError(
    "install",
    'Cannot use bun.lockb: only its text form is followed; run "bun install --save-text-lockfile"',
    { file: "bun.lockb" },
  );
}

/**
 * The package.json that is installed from. A lockfile was made for all of its dependencies, so they stay; without
 * one those go that nothing is bundled from.
 */
function toInstalled(manifest: Record<string, unknown>, isFrozen: boolean): Record<string, unknown> {
  const kinds = [...INSTALLED_KINDS, ...(isFrozen ? ["devDependencies"] : [])];
  const installed = kinds.map((kind) => {
    const versions = Object.entries(readVersions(manifest, kind));
    return [
      kind,
      Object.fromEntries(versions.filter(([name]) => isFrozen || !HOST_PACKAGES.has(name))),
    ] as const;
  });
  const kept = ["peerDependenciesMeta", ...OVERRIDING_KINDS].map((key) => [key, manifest[key]] as const);
  return Object.fromEntries([...installed, ...kept]);
}

function hashOf(files: ReadonlyMap<string, Uint8Array>, platform: string): string {
  const hasher = new Bun.CryptoHasher("sha256").update(`1\0${platform}\0`);
  for (const [name, content] of files) hasher.update(`${name}\0${content.length}\0`).update(content);
  return hasher.digest("hex");
}

/** What decides over packages that are for some systems only. */
function describePlatform(): string {
  const isMusl =
    process.platform === "linux" &&
    existsSync("/lib") &&
    readdirSync("/lib").some((name) => name.startsWith("ld-musl-"));
  return `${process.platform}-${process.arch}${isMusl ? "-musl" : ""}`;
}

function invalid(reason: string): PluginError {
  return new PluginError("install", `Cannot use package.json: ${reason}`, { file: "package.json" });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
