import { readdir, realpath, stat } from "node:fs/promises";
import { basename, extname, join, relative, sep } from "node:path";

const CODE_FILES = new Set([".ts", ".tsx", ".js", ".jsx"]);
const NOT_PLUGINS = /^[._]|^node_modules$|\.d\.ts$|\.test\.[jt]sx?$/;

/** Where a plugin's code comes from. */
export interface PluginSource {
  /** Absolute path of the folder or file in the plugins directory: what identifies the source. */
  readonly path: string;
  /** "blog" or "hello.ts". */
  readonly basename: string;
  readonly kind: "folder" | "file";
  /** The folder with links resolved, which everything that the plugin bundles must be in. */
  readonly root: string;
}

/**
 * Lists what stands in the plugins directory, in order of name: each folder, and each single code file.
 * Names that start with a dot or an underscore, node_modules, declarations and tests are no plugins. A
 * directory that isn't there holds none.
 */
export async function listSources(directory: string): Promise<PluginSource[]> {
  const names = await readNames(directory);
  const sources = await Promise.all(names.map((name) => toSource(join(directory, name))));
  return sources.filter((source) => source !== null);
}

/** Whether a file, with links resolved, is below `root`. */
export function isInside(root: string, file: string): boolean {
  return file.startsWith(root + sep);
}

/** Returns how to show the files of a plugin: below the path that identifies it, wherever links lead. */
export function showFilesOf(
  { path, root }: PluginSource,
  toDisplayPath: (file: string) => string,
): (file: string) => string {
  return (file) =>
    toDisplayPath(file === root || isInside(root, file) ? join(path, relative(root, file)) : file);
}

async function readNames(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names.filter((name) => !NOT_PLUGINS.test(name)).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function toSource(path: string): Promise<PluginSource | null> {
  try {
    const root = await realpath(path);
    const stats = await stat(root);
    if (stats.isDirectory()) return { path, basename: basename(path), kind: "folder", root };
    const isCode = stats.isFile() && CODE_FILES.has(extname(path));
    return isCode ? { path, basename: basename(path), kind: "file", root } : null;
  } catch {
    return null; // Gone since the directory was read, or a dangling link.
  }
}
