import { readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { parse } from "jsonc-parser";
import type { LoadedConfig } from "../config/load.ts";
import { readDeclaredPlugins } from "../plugins/inventory/declared-plugins.ts";
import { RemoteSources, toRemoteSettings } from "../plugins/remote/sources.ts";
import { openCommandStores } from "../app/command-stores.ts";
import { EDITOR_FOLDER, type EditorFolderState, writeEditorFolder } from "./folder.ts";

const EXTENDED = `./${EDITOR_FOLDER}/tsconfig.json`;

/** What a project has for its editor. */
export interface EditorProject {
  readonly folder: EditorFolderState;
  /** Whether tsconfig.json was missing and made, extends that of xcore, or doesn't. */
  readonly tsconfig: "made" | "extends" | "foreign";
}

/**
 * Gives the editor of a project what it needs to know plugins by: `.xcore/`, and a tsconfig.json if there is none.
 * Asks the network for nothing: of plugins from elsewhere it knows those that are in the cache.
 */
export async function prepareEditor(
  loaded: LoadedConfig,
  warn: (line: string) => void,
): Promise<EditorProject> {
  const { config, directory } = loaded;
  const pluginsDirectory = resolve(directory, config.plugins.directory);
  const offline = { ...loaded, config: { ...config, plugins: { ...config.plugins, offline: true } } };
  const remote = new RemoteSources(openCommandStores(offline, { warn }), toRemoteSettings(offline));
  const { byName } = await readDeclaredPlugins(pluginsDirectory, remote, (file) => file);
  const folder = await writeEditorFolder(directory, {
    pluginsDirectory,
    plugins: byName.values(),
    // From its sources xcore is a program of Bun's.
    command: Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main],
  });
  const include = [relative(directory, pluginsDirectory).replaceAll("\\", "/") || "."];
  return { folder, tsconfig: await ensureTsconfig(directory, include) };
}

/**
 * Prepares the editor for a project that is being made, unless it has a tsconfig.json of its own. What goes wrong is a
 * warning: plugins run without it.
 *
 * @returns null when nothing was done
 */
export async function offerEditor(
  loaded: LoadedConfig,
  warn: (line: string) => void,
): Promise<EditorProject | null> {
  try {
    return (await hasForeignTsconfig(loaded.directory)) ? null : await prepareEditor(loaded, warn);
  } catch (error) {
    warn(`Cannot prepare the editor: ${(error as Error).message}; run \`xcore types\` to try again`);
    return null;
  }
}

/** Whether the project's tsconfig.json is its own affair: there is one that doesn't extend that of xcore. */
async function hasForeignTsconfig(directory: string): Promise<boolean> {
  try {
    return !extendsOurs(await readFile(join(directory, "tsconfig.json"), "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function ensureTsconfig(directory: string, include: string[]): Promise<EditorProject["tsconfig"]> {
  const file = join(directory, "tsconfig.json");
  const text = `${JSON.stringify({ extends: EXTENDED, include }, null, 2)}\n`;
  try {
    await writeFile(file, text, { flag: "wx" });
    return "made";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return (await hasForeignTsconfig(directory)) ? "foreign" : "extends";
  }
}

function extendsOurs(text: string): boolean {
  const value: unknown = parse(text, [], { allowTrailingComma: true });
  if (typeof value !== "object" || value === null || !("extends" in value)) return false;
  const bases: unknown[] = Array.isArray(value.extends) ? value.extends : [value.extends];
  return bases.some((base) => typeof base === "string" && base.replace(/^\.\//, "") === EXTENDED.slice(2));
}
