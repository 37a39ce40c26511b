import type { Dirent } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { PluginError } from "../failure/failure.ts";
import { isFilePath, signatureNameOf } from "./snapshot.ts";

const LEFT_OUT = /^\.|^node_modules$|\.test\.[jt]sx?$|~$/;
const SIGNATURES = signatureNameOf("plugin.json");
const MAX_FILES = 5000;
const MAX_DEPTH = 64;
const AT_ONCE = 32; // files read at the same time

/** What a plugin's folder holds. */
export interface PluginFolder {
  /** By path below the folder with slashes, in the order of the bytes of the paths. */
  readonly files: Map<string, Uint8Array>;
  /** Content of `plugin.json.sig`; null when there is none. */
  readonly signatures: Uint8Array | null;
}

/**
 * Reads the files that a plugin's folder is made of: all but those with a name that starts with a dot or ends in "~",
 * tests (`*.test.ts`), `node_modules`, and directly in the folder archives (`*.tgz`: packed plugins).
 *
 * @param limits `maxBytes`: of all files together
 * @throws PluginError for a link, for a name that not every system can keep, and for what can't be read
 */
export async function readPluginFolder(
  folder: string,
  limits: { readonly maxBytes: number } = { maxBytes: Infinity },
): Promise<PluginFolder> {
  const files = new Map<string, Uint8Array>();
  let left = limits.maxBytes;
  const names = await listPluginFiles(folder);
  for (let start = 0; start < names.length; start += AT_ONCE) {
    const some = names.slice(start, start + AT_ONCE);
    // oxlint-disable-next-line no-await-in-loop -- so many at once, and no more
    const sizes = await Promise.all(some.map((name) => measureFile(folder, name)));
    left -= sizes.reduce((sum, size) => sum + size, 0);
    if (left < 0) throw tooLarge(folder, limits.maxBytes);
    // oxlint-disable-next-line no-await-in-loop -- as above
    const contents = await Promise.all(some.map((name) => readContent(folder, name)));
    for (const [index, name] of some.entries()) files.set(name, contents[index] ?? new Uint8Array());
  }
  const signatures = files.get(SIGNATURES) ?? null;
  files.delete(SIGNATURES);
  return { files, signatures };
}

/** Lists the paths of a plugin's files in the order of their bytes, `plugin.json.sig` among them. */
async function listPluginFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  const waiting: { path: string; depth: number }[] = [{ path: "", depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, depth } = next;
    if (depth > MAX_DEPTH) throw refuse(folder, path, `its folders are more than ${MAX_DEPTH} deep`);
    // oxlint-disable-next-line no-await-in-loop -- what a folder holds says which come next
    for (const entry of await readEntries(folder, path)) {
      const isPackedPlugin = depth === 0 && entry.name.endsWith(".tgz");
      if (LEFT_OUT.test(entry.name) || isPackedPlugin) continue;
      const name = path === "" ? entry.name : `${path}/${entry.name}`;
      assertTakeable(folder, name, entry);
      if (entry.isDirectory()) waiting.push({ path: name, depth: depth + 1 });
      else found.push(name);
    }
    if (found.length > MAX_FILES) throw refuse(folder, null, `it holds more than ${MAX_FILES} files`);
  }
  return found.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

async function readEntries(folder: string, path: string): Promise<Dirent[]> {
  try {
    return await readdir(join(folder, path), { withFileTypes: true });
  } catch (error) {
    throw refuse(folder, path === "" ? null : path, describe(error), error);
  }
}

function assertTakeable(folder: string, name: string, entry: Dirent): void {
  if (entry.isSymbolicLink()) {
    throw refuse(folder, name, "it is a link; put what it leads to in its place");
  }
  if (!entry.isFile() && !entry.isDirectory()) throw refuse(folder, name, "it is no plain file");
  // Bytes that aren't UTF-8 are read as U+FFFD.
  if (!isFilePath(name) || name.includes("\uFFFD")) {
    throw refuse(folder, name, "its name doesn't work everywhere; name it with letters, digits and - _ .");
  }
}

/** Sizes are added up before anything is read: one huge file must not fill the memory. */
async function measureFile(folder: string, name: string): Promise<number> {
  try {
    return (await stat(join(folder, name))).size;
  } catch (error) {
    throw refuse(folder, name, describe(error), error);
  }
}

async function readContent(folder: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(join(folder, name));
  } catch (error) {
    throw refuse(folder, name, describe(error), error);
  }
}

function describe(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return "it is not there";
    case "ENOTDIR":
      return "it is no folder";
    case "EACCES":
    case "EPERM":
      return "this user may not read it";
    default:
      return code ?? message;
  }
}

function tooLarge(folder: string, maxBytes: number): PluginError {
  const state = `its files are larger than ${maxBytes} bytes together; raise plugins.fetch.size_limit`;
  return refuse(folder, null, state);
}

function refuse(folder: string, name: string | null, state: string, cause?: unknown): PluginError {
  const path = name === null ? folder : join(folder, name);
  return new PluginError("fetch", `Cannot take plugin files from ${JSON.stringify(path)}: ${state}`, {
    cause,
  });
}
