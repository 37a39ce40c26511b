import { extname } from "node:path";
import type { Dialect } from "../../db/contract/driver.ts";
import type { Migration } from "../../db/migrations/files.ts";

/** Where a plugin comes from and how to speak of it; holds none of its files, so it may be kept for long. */
export interface PluginSource {
  /** Identifies it: its path in the plugins directory, or its name in `plugins.remote`, "remote:blog". */
  readonly id: string;
  /** "blog" or "hello.ts"; of a plugin from elsewhere its name in `plugins.remote`. */
  readonly basename: string;
  /** What to show for the whole plugin: its path, or its first URL. */
  readonly shown: string;
  /** What to show for the file that holds its manifest. */
  readonly shownManifest: string;
  /** Returns what to show for one of its files, which is named by its absolute path. */
  readonly show: (file: string) => string;
  /** Absolute paths of the folder or file, which no client may see. */
  readonly paths: readonly string[];
  /** What config.json says; its manifest may say otherwise. */
  readonly isActive: boolean;
  /** Set for a plugin from elsewhere. */
  readonly remote: RemoteOrigin | null;
}

/** What config.json says of where a plugin from elsewhere is. */
export interface RemoteOrigin {
  /** URLs, "npm:…" or paths, in the order in which they are tried. */
  readonly places: readonly string[];
  /** Its pin; null when there is none. */
  readonly integrity: string | null;
}

/** Bytes of files by absolute path. */
export type Overlay = ReadonlyMap<string, Uint8Array>;

/** The files of one plugin: a folder or a single file on the disk, or a snapshot whose bytes were checked. */
export interface PluginFiles {
  readonly source: PluginSource;
  /** Absolute path of the folder or file as it is named. */
  readonly path: string;
  /** The same with links resolved. */
  readonly root: string;
  /** Folder that its files stand in, links resolved: its own, or that of the single file. */
  readonly folder: string;
  /** Whether it is one module with a PLUGIN_INFO, rather than a folder with a plugin.json. */
  readonly isSingleFile: boolean;
  /** The only bytes that may be bundled beside npm packages; null: those on the disk are. */
  readonly overlay: Overlay | null;
  /** Finds imports that lead elsewhere than their paths say; null when there are none. */
  readonly resolver: Bun.BunPlugin | null;
  /** Whether a file, named by its absolute path with links resolved, stands where its own do. */
  readonly holds: (file: string) => boolean;
  /** Returns the text of the file that holds its manifest. @throws PluginError, or what the disk says */
  readonly readManifest: () => Promise<string>;
  /** Reads a file of its folder, such as "package.json"; null where there is none. */
  readonly read: (name: string) => Promise<Uint8Array | null>;
  /**
   * Returns the absolute path, links resolved, of the file that its manifest names as `entry`.
   *
   * @throws PluginError when it isn't there, or leads outside the plugin's folder
   */
  readonly findEntry: (entry: string) => Promise<string>;
  /** Returns the files that declare its tables in the same way: `schema.ts`, then those of `schema/` in order of name. */
  readonly findSchemas: () => Promise<string[]>;
  /** Returns the absolute path, links resolved, of the folder that is served as it is; null where there is none. */
  readonly findPublic: () => Promise<string | null>;
  /** Reads its templates, by their names below `templates/`. */
  readonly readTemplates: () => Promise<ReadonlyMap<string, string>>;
  /** Reads the migrations for a kind of database. @throws Error that names the file at fault */
  readonly readMigrations: (dialect: Dialect) => Promise<Migration[]>;
  /** Whether it has a `node_modules` of its own that it may be bundled with. */
  readonly bringsPackages: () => boolean;
}

/**
 * Finds the file of a plugin that exports the schema of its settings: settings.ts, or settings.js. One of this name
 * that exports something else is any other file of the plugin.
 *
 * @returns its absolute path, links resolved; null when there is none
 */
export async function findSettingsFile(files: PluginFiles): Promise<string | null> {
  for (const name of ["settings.ts", "settings.js"]) {
    // oxlint-disable-next-line no-await-in-loop -- mostly there is none
    const content = await files.read(name);
    if (content === null || !exportsSettings(content, name)) continue;
    // oxlint-disable-next-line no-await-in-loop -- the one
    return await files.findEntry(name);
  }
  return null;
}

function exportsSettings(content: Uint8Array, name: string): boolean {
  const transpiler = new Bun.Transpiler({ loader: extname(name) === ".ts" ? "ts" : "js" });
  try {
    return transpiler.scan(new TextDecoder().decode(content)).exports.includes("settings");
  } catch {
    return true; // What is wrong with it, the bundler says.
  }
}
