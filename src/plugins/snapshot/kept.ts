import type { Dirent } from "node:fs";
import { lstat, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { sha256 } from "../../files/sha256.ts";
import { computeIntegrity } from "./integrity.ts";
import { isFilePath, isUrlName, type Snapshot } from "./snapshot.ts";

/** A snapshot on this machine's disk. */
export interface OpenedSnapshot {
  readonly integrity: string;
  /** Folder of all that is kept of it, absolute. */
  readonly directory: string;
  /** Folder of the files that are named by paths: the plugin's own, absolute. */
  readonly root: string;
  /** Whether it stands in the project's `vendor/`, as `xcore plugin vendor` has put it there. */
  readonly isVendored: boolean;
  /** What it holds, as it was checked: use these bytes, whatever is on the disk since. */
  readonly snapshot: Snapshot;
  /** Absolute path of a file of the snapshot, also of one that is named by its URL. */
  readonly pathOf: (name: string) => string;
}

/** A kept snapshot that isn't what was kept. */
export class DamagedSnapshotError extends Error {
  override readonly name = "DamagedSnapshotError";
}

const GRAPH = "graph.json";
const FILES = "files";
const MODULES = "modules";
const SIGNATURES = "signatures";
const FORMAT = 1;
const AT_ONCE = 32; // files read or written at the same time

/** Errors that have nothing to do with what the files hold. */
const REFUSALS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EMFILE", "ENFILE", "ENOMEM"]);

/** What graph.json says: all but the files that are named by paths. */
interface Graph {
  readonly entry: string;
  readonly redirects: ReadonlyMap<string, string>;
  /** URLs of the modules from elsewhere. */
  readonly modules: readonly string[];
}

/** Writes a snapshot into an empty folder. */
export async function writeSnapshot(directory: string, snapshot: Snapshot): Promise<void> {
  const modules = [...snapshot.files.keys()].filter(isUrlName);
  const graph = {
    format: FORMAT,
    entry: snapshot.entry,
    redirects: Object.fromEntries(snapshot.redirects),
    modules: Object.fromEntries(modules.map((url) => [url, moduleFileOf(url)])),
  };
  const places = [...snapshot.files].map(([name, content]) => ({ path: placeOf(directory, name), content }));
  const folders = new Set([join(directory, FILES), ...places.map(({ path }) => dirname(path))]);
  await inBatches([...folders], (folder) => mkdir(folder, { recursive: true }));
  await inBatches(places, ({ path, content }) => writeFile(path, content));
  if (snapshot.signatures !== null) await writeFile(signaturesOf(directory), snapshot.signatures);
  await writeFile(join(directory, GRAPH), `${JSON.stringify(graph, null, 2)}\n`);
}

/**
 * Reads what `writeSnapshot` wrote, and checks every byte of it.
 *
 * @returns null when the folder isn't there
 * @throws DamagedSnapshotError for any difference, files that don't belong there and links included
 */
export async function readSnapshot(directory: string, integrity: string): Promise<Snapshot | null> {
  try {
    const stats = await lstat(directory).catch(toNothing);
    if (stats === null) return null;
    if (!stats.isDirectory()) throw new DamagedSnapshotError("it is no folder");
    return await readParts(directory, integrity);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof RangeError) throw damagedGraph();
    // An error without a code is no fault of the disk; of files that may not be read nothing is known.
    if (code === undefined || REFUSALS.has(code)) throw error;
    throw new DamagedSnapshotError(`it can't be read (${code})`, { cause: error });
  }
}

/** Where a snapshot's folder keeps its signatures. */
export function signaturesOf(directory: string): string {
  return join(directory, SIGNATURES);
}

/** A snapshot together with where it stands. */
export function toOpened(
  place: { readonly directory: string; readonly isVendored: boolean },
  integrity: string,
  snapshot: Snapshot,
): OpenedSnapshot {
  const { directory, isVendored } = place;
  const root = join(directory, FILES);
  return { integrity, directory, root, isVendored, snapshot, pathOf: (name) => placeOf(directory, name) };
}

async function readParts(directory: string, integrity: string): Promise<Snapshot> {
  const parts = await readdir(directory, { withFileTypes: true });
  for (const entry of parts) assertPart(entry);
  const has = (part: string): boolean => parts.some(({ name }) => name === part);
  const [text, paths, modules, signatures] = await Promise.all([
    readFile(join(directory, GRAPH), "utf8"),
    listFiles(join(directory, FILES)),
    has(MODULES) ? listFiles(join(directory, MODULES)) : [],
    has(SIGNATURES) ? readFile(signaturesOf(directory)) : null,
  ]);
  const graph = parseGraph(text);
  const expected = new Set(graph.modules.map(moduleFileOf));
  const odd = modules.find((name) => !expected.has(name)) ?? paths.find((name) => !isFilePath(name));
  if (odd !== undefined) throw foreign(odd);
  const names = [...paths, ...graph.modules];
  const contents = await inBatches(names, (name) => readFile(placeOf(directory, name)));
  const files = new Map(names.map((name, index) => [name, contents[index] as Uint8Array]));
  const snapshot = { entry: graph.entry, files, redirects: graph.redirects, signatures };
  const found = computeIntegrity(snapshot);
  if (found !== integrity) throw new DamagedSnapshotError(`expected ${integrity}, found ${found}`);
  return snapshot;
}

function assertPart(entry: Dirent): void {
  const isFolder = entry.name === FILES || entry.name === MODULES;
  const isFile = entry.name === GRAPH || entry.name === SIGNATURES;
  if (!(isFolder && entry.isDirectory()) && !(isFile && entry.isFile())) throw foreign(entry.name);
}

/** Lists the plain files below a folder, as paths with slashes. */
async function listFiles(directory: string): Promise<string[]> {
  const files: string[] = [];
  const list = async (below: string): Promise<void> => {
    const entries = await readdir(join(directory, below), { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${below}${name}/`);
    for (const entry of entries) {
      if (entry.isFile()) files.push(below + entry.name);
      else if (!entry.isDirectory()) throw foreign(below + entry.name); // a link, for one
    }
    await Promise.all(folders.map(list));
  };
  await list("");
  return files;
}

function parseGraph(text: string): Graph {
  const { format, entry, redirects, modules } = parseObject(text);
  if (format !== FORMAT || typeof entry !== "string" || !isFilePath(entry)) throw damagedGraph();
  const urls = toTexts(modules);
  if (![...urls].every(([url, file]) => isUrlName(url) && file === moduleFileOf(url))) throw damagedGraph();
  return { entry, redirects: toTexts(redirects), modules: [...urls.keys()] };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // As below.
  }
  throw damagedGraph();
}

function toTexts(value: unknown): Map<string, string> {
  if (typeof value !== "object" || value === null) throw damagedGraph();
  const entries = Object.entries(value);
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === "string"))
    throw damagedGraph();
  return new Map(entries);
}

function foreign(name: string): DamagedSnapshotError {
  return new DamagedSnapshotError(`"${name}" doesn't belong there`);
}

function damagedGraph(): DamagedSnapshotError {
  return new DamagedSnapshotError(`its ${GRAPH} is damaged`);
}

function placeOf(directory: string, name: string): string {
  return isUrlName(name) ? join(directory, MODULES, moduleFileOf(name)) : join(directory, FILES, name);
}

/** A URL can be longer than a file's name may be; its ending tells what the file is. */
function moduleFileOf(url: string): string {
  const [ending = ""] = /^\.[a-z0-9]{1,8}$/.exec(extname(URL.parse(url)?.pathname ?? "").toLowerCase()) ?? [];
  return `${sha256(url)}${ending}`;
}

function toNothing(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
  throw error;
}

async function inBatches<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) {
    // oxlint-disable-next-line no-await-in-loop -- so many at once, and no more
    results.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(act))));
  }
  return results;
}
