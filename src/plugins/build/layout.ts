import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { parseJsonDocument } from "../../config/json/document.ts";
import { isInside } from "../../files/paths.ts";
import { FILES_LIST } from "../packages/files.ts";
import type { PluginFiles } from "../source/files.ts";

/** Files that say how others are found and read, wherever they stand. */
const SETTINGS = ["package.json", "tsconfig.json", "jsconfig.json"];
const MAX_FILES = 5000; // to list more takes longer than to bundle
const MAX_EXTENDED = 16; // a chain of tsconfig.json files that is longer goes in a circle

/** What is behind the name of a file: a link leads elsewhere, settings count with what they say. */
type Listing = ReadonlyMap<string, string>;

/** Its layout can't be told: what is bundled of it can't be known again. */
class UnknownLayout extends Error {}

/**
 * Digest of what decides, beside the content of the files that are bundled, over a bundle of a plugin: which files it
 * has, where links lead, and what package.json and tsconfig.json say, wherever they are in its folder.
 *
 * @returns null when that can't be told: it has a `node_modules`, links that lead out of its folder, thousands of files
 */
export function digestLayout(files: PluginFiles): string | null {
  const { overlay, folder } = files;
  return overlay === null ? digestFound(files) : toDigest(() => listOverlay(folder, overlay));
}

/** The same of what stands on the disk now, also for a plugin whose bytes were read before. */
export function digestFound({ overlay, folder, isSingleFile }: PluginFiles): string | null {
  // What stands beside a file of the plugins directory are other plugins.
  return toDigest(() => (isSingleFile && overlay === null ? new Map() : listFolder(folder)));
}

/** Digest of the package.json and tsconfig.json of a folder and of those above it; null when that can't be told. */
export function digestSettingsAbove(folder: string): string | null {
  return toDigest(() => {
    const listing = new Map<string, string>();
    for (let above = folder; ; above = dirname(above)) {
      for (const name of SETTINGS) {
        const text = readText(join(above, name));
        if (text !== null) listing.set(join(above, name), withExtended(join(above, name), text));
      }
      if (dirname(above) === above) return listing;
    }
  });
}

/** Digest of npm packages that are installed in a folder, by the list of their files. */
export function digestPackages(folder: string): string | null {
  return toDigest(() => new Map([[FILES_LIST, readText(join(folder, FILES_LIST)) ?? ""]]));
}

function toDigest(list: () => Listing): string | null {
  let listing: Listing;
  try {
    listing = list();
  } catch {
    return null; // An UnknownLayout, or what the disk says: a folder that is gone.
  }
  const hasher = new Bun.CryptoHasher("sha256");
  for (const [name, said] of [...listing].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    hasher.update(`${name}\0${said}\0`);
  }
  return hasher.digest("hex");
}

function listFolder(folder: string): Listing {
  const listing = new Map<string, string>();
  const waiting = [""];
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const name = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.name === "node_modules") throw new UnknownLayout(name);
      if (entry.isDirectory()) {
        if (entry.name !== ".git") waiting.push(name);
        continue;
      }
      const target = entry.isSymbolicLink() ? toTarget(folder, name) : "";
      listing.set(name, target + readSettings(join(folder, name)));
      if (listing.size > MAX_FILES) throw new UnknownLayout(name);
    }
  }
  return listing;
}

/** The same for the bytes of a snapshot; what it has from elsewhere stands beside the folder. */
function listOverlay(folder: string, overlay: ReadonlyMap<string, Uint8Array>): Listing {
  const own = [...overlay].filter(([file]) => isInside(folder, file));
  return new Map(
    own.map(([file, content]) => [
      relative(folder, file).replaceAll("\\", "/"),
      isSettings(file) ? withExtended(file, Buffer.from(content).toString()) : "",
    ]),
  );
}

/** Nothing that a link makes reachable outside of the folder is bundled; static files often are elsewhere. */
function toTarget(folder: string, name: string): string {
  const target = realpathSync(join(folder, name));
  if (!isInside(folder, target) && !name.startsWith("public/")) throw new UnknownLayout(name);
  return `-> ${target}`;
}

function isSettings(file: string): boolean {
  return SETTINGS.includes(basename(file));
}

/** What a file says of others; "" for most. */
function readSettings(file: string): string {
  if (!isSettings(file)) return "";
  if (!statSync(file).isFile()) throw new UnknownLayout(file); // a pipe would never end
  return withExtended(file, readFileSync(file, "utf8"));
}

/** A tsconfig.json, and those that it extends. */
function withExtended(file: string, text: string): string {
  if (file.endsWith("package.json") || !text.includes("extends")) return text;
  const texts = [text];
  const waiting = findExtended(file, text);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const extended = readText(next) ?? readText(`${next}.json`) ?? "";
    texts.push(next, extended);
    if (texts.length > 2 * MAX_EXTENDED) throw new UnknownLayout(file);
    waiting.push(...findExtended(next, extended));
  }
  return texts.join("\0");
}

function findExtended(file: string, text: string): string[] {
  const { value, faults } = parseJsonDocument(text);
  if (faults.length > 0) throw new UnknownLayout(file); // Bun may read it all the same.
  const { extends: extended = [] } = (value ?? {}) as { extends?: unknown };
  return [extended].flat().map((base) => {
    // One that is named as a package is looked for in folders that aren't listed.
    if (typeof base !== "string" || !/^[./]/.test(base)) throw new UnknownLayout(file);
    return resolve(dirname(file), base);
  });
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
}
