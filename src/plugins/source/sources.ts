import { readdir, realpath, stat } from "node:fs/promises";
import { basename, extname, join, relative, sep } from "node:path";

const CODE_FILES = new Set([".ts", ".tsx", ".js", ".jsx"]);
const NOT_PLUGINS = /^[._]|^node_modules$|\.d\.ts$|\.test\.[jt]sx?$/;

/** Where a plugin's code comes from. */
export interface PluginSource {
  /** Identifies the source: its path in the plugins directory, or its name in `plugins.remote`, "remote:blog". */
  readonly id: string;
  /** Absolute path of the folder or file. */
  readonly path: string;
  /** "blog" or "hello.ts". */
  readonly basename: string;
  readonly kind: "folder" | "file";
  /** The folder or file with links resolved. Everything that the plugin bundles must be in it. */
  readonly root: string;
  /** Set for a plugin from elsewhere. */
  readonly remote: RemoteOrigin | null;
}

/** A plugin from elsewhere, as config.json has it and as it is kept on the disk. */
export interface RemoteOrigin {
  /** Where it is found: URLs, "npm:…" or paths, in the order in which they are tried. */
  readonly places: readonly string[];
  /** Its pin; null when there is none. */
  readonly integrity: string | null;
  /** What config.json says; its manifest may say otherwise. */
  readonly isActive: boolean;
  /** Returns what to show for one of its files: where it comes from. */
  readonly show: (file: string) => string;
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

/** Returns how to show where a plugin comes from. */
export function showSource(
  { path, remote }: Pick<PluginSource, "path" | "remote">,
  toDisplayPath: (file: string) => string,
): string {
  return remote?.places[0] ?? toDisplayPath(path);
}

/** Returns how to show the files of a plugin: below the path that identifies it, wherever links lead. */
export function showFilesOf(
  { path, root, remote }: PluginSource,
  toDisplayPath: (file: string) => string,
): (file: string) => string {
  if (remote !== null) return remote.show;
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
    const isCode = stats.isFile() && CODE_FILES.has(extname(path));
    if (!stats.isDirectory() && !isCode) return null;
    const kind = isCode ? "file" : "folder";
    return { id: path, path, basename: basename(path), kind, root, remote: null };
  } catch {
    return null; // Gone since the directory was read, or a dangling link.
  }
}
