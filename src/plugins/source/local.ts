import { existsSync } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { readMigrations } from "../../db/migrations/files.ts";
import { isInside } from "../../files/paths.ts";
import { isEndless, readTextFile } from "../../files/text.ts";
import { readTemplates } from "../../templates/sources/disk.ts";
import { PluginError } from "../failure/failure.ts";
import type { PluginFiles, PluginSource } from "./files.ts";
import { DEFAULT_ENTRY, readManifest, TSX_ENTRY } from "./manifest.ts";

const CODE_FILES = new Set([".ts", ".tsx", ".js", ".jsx"]);
const NOT_PLUGINS = /^[._]|^node_modules$|\.d\.ts$|\.test\.[jt]sx?$/;
const SCHEMA_FILE = /^(?!.*\.(?:d|test)\.)[^._].*\.[jt]s$/;

/**
 * Lists what stands in the plugins directory, in order of name: each folder, and each single code file.
 * Names that start with a dot or an underscore, node_modules, declarations and tests are no plugins. A
 * directory that isn't there holds none.
 */
export async function listLocalPlugins(
  directory: string,
  toDisplayPath: (file: string) => string,
): Promise<PluginFiles[]> {
  const names = await readNames(directory);
  const plugins = await Promise.all(names.map((name) => openLocal(join(directory, name), toDisplayPath)));
  return plugins.filter((plugin) => plugin !== null);
}

/**
 * Finds a plugin of the plugins directory by its name; one whose manifest can't be used goes by the name of its folder.
 *
 * @returns null when there is none
 */
export async function findLocalPlugin(
  directory: string,
  name: string,
  toDisplayPath: (file: string) => string,
): Promise<PluginFiles | null> {
  for (const plugin of await listLocalPlugins(directory, toDisplayPath)) {
    // oxlint-disable-next-line no-await-in-loop -- mostly the first few
    const manifest = await readManifest(plugin);
    if (name === (manifest instanceof PluginError ? plugin.source.basename : manifest.name)) return plugin;
  }
  return null;
}

/** A plugin that is a folder on the disk. @param path as it is named; `root`: with links resolved */
export function createFolderFiles(source: PluginSource, path: string, root: string): PluginFiles {
  const holds = (file: string): boolean => isInside(root, file);
  return {
    source,
    path,
    root,
    folder: root,
    isSingleFile: false,
    overlay: null,
    resolver: null,
    holds,
    readManifest: async () => readManifestFile(source, path),
    read: async (name) => {
      const file = join(root, name);
      if (isEndless(file)) throw endlessError("bundle", name, source.show(file));
      return existsSync(file) ? Bun.file(file).bytes() : null;
    },
    findEntry: (entry) => findEntry(isTsx(entry, root) ? TSX_ENTRY : entry, root, source),
    findSchemas: async () => {
      const inner = (await readdir(join(root, "schema")).catch(() => [])).filter((name) =>
        SCHEMA_FILE.test(name),
      );
      const names = ["schema.ts", "schema.js", ...inner.toSorted().map((name) => join("schema", name))];
      const files = await Promise.all(names.map((name) => realpath(join(root, name)).catch(() => "")));
      return files.filter(holds); // a link that leads out of the folder is no file of the plugin's
    },
    findPublic: async () => {
      const directory = await realpath(join(root, "public")).catch(() => null);
      // A link that leads out would serve files that are none of the plugin's.
      if (directory === null || !holds(directory)) return null;
      const stats = await stat(directory).catch(() => null);
      return stats?.isDirectory() ? directory : null;
    },
    readTemplates: async () => {
      const directory = join(root, "templates");
      if (!existsSync(directory)) return new Map<string, string>();
      // A link that leads out would show files that are none of the plugin's.
      return holds(await realpath(directory)) ? readTemplates(directory) : new Map<string, string>();
    },
    readMigrations: (dialect) => readMigrations(join(root, "drizzle"), dialect),
    bringsPackages: () => existsSync(join(root, "node_modules")),
  };
}

/** A plugin that is a single file on the disk: it has nothing but its code. @param path as for a folder */
export function createSingleFile(source: PluginSource, path: string, root: string): PluginFiles {
  return {
    source,
    path,
    root,
    folder: dirname(root),
    isSingleFile: true,
    overlay: null,
    resolver: null,
    holds: (file) => file === root,
    readManifest: () => Bun.file(path).text(),
    read: async () => null,
    findEntry: async () => root,
    findSchemas: async () => [],
    findPublic: async () => null,
    readTemplates: async () => new Map<string, string>(),
    readMigrations: async () => [],
    bringsPackages: () => false,
  };
}

async function openLocal(path: string, toDisplayPath: (file: string) => string): Promise<PluginFiles | null> {
  try {
    const root = await realpath(path);
    const stats = await stat(root);
    const isCode = stats.isFile() && CODE_FILES.has(extname(path));
    if (!stats.isDirectory() && !isCode) return null;
    const source: PluginSource = {
      id: path,
      basename: basename(path),
      shown: toDisplayPath(path),
      shownManifest: toDisplayPath(isCode ? path : join(path, "plugin.json")),
      // Below the path that identifies it, wherever links lead.
      show: (file) =>
        toDisplayPath(file === root || isInside(root, file) ? join(path, relative(root, file)) : file),
      paths: [root, path],
      isActive: true,
      remote: null,
    };
    return (isCode ? createSingleFile : createFolderFiles)(source, path, root);
  } catch {
    return null; // Gone since the directory was read, or a dangling link.
  }
}

function readManifestFile({ basename: name, shownManifest: file }: PluginSource, path: string): string {
  if (isEndless(join(path, "plugin.json"))) throw endlessError("manifest", "plugin.json", file);
  const read = readTextFile(join(path, "plugin.json"));
  if (read.state === "read") return read.text;
  const message =
    read.state === "missing"
      ? `Cannot find plugin.json: create it with at least { "name": "${name}", "version": "1.0.0" }`
      : `Cannot read plugin.json: expected ${read.expected}, found ${read.found}`;
  throw new PluginError("manifest", message, { file });
}

/** Whether the entry that nobody has named has elements. */
function isTsx(entry: string, root: string): boolean {
  return entry === DEFAULT_ENTRY && !existsSync(join(root, entry)) && existsSync(join(root, TSX_ENTRY));
}

async function findEntry(entry: string, root: string, { show }: PluginSource): Promise<string> {
  const file = resolve(root, entry);
  let real: string;
  try {
    real = await realpath(file);
  } catch {
    if (!isInside(root, file)) throw outsideError(entry);
    const message = `Cannot find entry "${entry}": create it, or name another file in "entry" of plugin.json`;
    throw new PluginError("bundle", message, { file: show(file) });
  }
  if (!isInside(root, real)) throw outsideError(entry);
  if ((await stat(real)).isFile()) return real;
  const message = `Cannot use entry "${entry}": it is no file; name the file that exports the router`;
  throw new PluginError("bundle", message, { file: show(file) });
}

function endlessError(stage: "manifest" | "bundle", name: string, file: string): PluginError {
  const message = `Cannot read ${name}: it is a pipe or a device; put a file in its place`;
  return new PluginError(stage, message, { file });
}

function outsideError(entry: string): PluginError {
  const message = `Cannot use entry "${entry}": it leads outside the plugin's folder; move the file into it`;
  return new PluginError("bundle", message);
}

async function readNames(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => !NOT_PLUGINS.test(name)).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
