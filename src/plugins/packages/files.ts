import { readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { sha256 } from "../../files/sha256.ts";

/** Lists the files of an installed folder with the SHA-256 of each. */
export const FILES_LIST = "files.json";

const MODULES = "node_modules";

/** What bundled files hold, by absolute path: their bytes, or their text. */
export type BundledFiles = ReadonlyMap<string, Uint8Array | string>;

/**
 * Writes the list of what has been installed. Links are removed: they are commands of packages, which nothing
 * imports.
 */
export async function recordFiles(folder: string): Promise<void> {
  const files: [string, string][] = [];
  const entries = await readdir(join(folder, MODULES), { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) await rm(file);
    else if (entry.isFile()) files.push([nameOf(folder, file), sha256(await readFile(file))]);
  }
  const sorted = Object.fromEntries(files.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  await writeFile(join(folder, FILES_LIST), JSON.stringify({ format: 1, files: sorted }));
}

/**
 * Finds a file that isn't as it was installed: changed, gone, or added since.
 *
 * @param bundled checks only these, those outside of the folder left out, and what says where a package's files
 * are. @default every file
 * @returns its name, "node_modules/left/index.js"; null when all are as they were
 */
export async function findDamage(folder: string, bundled?: BundledFiles): Promise<string | null> {
  const listed = await readList(folder);
  if (listed === null) return FILES_LIST;
  if (bundled === undefined) return findAnyDamage(folder, listed);
  const root = await realpath(folder);
  const manifests = new Set<string>();
  for (const [path, content] of bundled) {
    if (!path.startsWith(root + sep)) continue;
    const name = nameOf(root, path);
    if (!(await isUnchanged(path, content, listed.get(name)))) return name;
    for (const manifest of manifestsOf(name)) if (listed.has(manifest)) manifests.add(manifest);
  }
  for (const name of manifests) {
    const content = await readFile(join(root, name)).catch(() => null);
    if (content === null || sha256(content) !== listed.get(name)) return name;
  }
  return null;
}

/** Whether the bytes of a file are a text; its own aren't where they begin with a byte order mark or aren't UTF-8. */
export function isTextOf(bytes: Uint8Array, text: string): boolean {
  return new TextDecoder().decode(bytes) === text.replace(/^\uFEFF/, "");
}

async function readList(folder: string): Promise<ReadonlyMap<string, string> | null> {
  try {
    const { files } = JSON.parse(await readFile(join(folder, FILES_LIST), "utf8")) as {
      files: Record<string, string>;
    };
    return new Map(Object.entries(files));
  } catch {
    return null;
  }
}

async function findAnyDamage(folder: string, listed: ReadonlyMap<string, string>): Promise<string | null> {
  const missing = new Set(listed.keys());
  try {
    const entries = await readdir(join(folder, MODULES), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (entry.isDirectory()) continue;
      const file = join(entry.parentPath, entry.name);
      const name = nameOf(folder, file);
      if (!entry.isFile() || sha256(await readFile(file)) !== listed.get(name)) return name;
      missing.delete(name);
    }
  } catch {
    return MODULES;
  }
  const [first] = missing;
  return first ?? null;
}

async function isUnchanged(
  path: string,
  content: Uint8Array | string,
  expected: string | undefined,
): Promise<boolean> {
  if (expected === undefined) return false;
  if (sha256(content) === expected) return true;
  if (typeof content !== "string") return false;
  const bytes = await readFile(path).catch(() => null);
  return bytes !== null && sha256(bytes) === expected && isTextOf(bytes, content);
}

/** Names of the package.json files that may say how a file is found and read: from its folder up to its package's. */
function manifestsOf(name: string): string[] {
  const manifests: string[] = [];
  for (let folder = dirname(name); basename(folder) !== MODULES; folder = dirname(folder)) {
    manifests.push(`${folder}/package.json`);
  }
  return manifests;
}

function nameOf(folder: string, file: string): string {
  return relative(folder, file).replaceAll("\\", "/");
}
