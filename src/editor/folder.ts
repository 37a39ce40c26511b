import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { replaceFile } from "../files/replace.ts";
import type { DeclaredPlugin } from "../plugins/inventory/declared-plugins.ts";
import { readArchive } from "./archive.ts";
import { toCompilerOptions } from "./compiler-options.ts";
import { unpackDeclarations } from "./packed-declarations.ts";
import { toPluginModules } from "./plugin-modules.ts";
import { SETTINGS_TYPES, toSettingsTypes } from "./settings-types.ts";

/** Name of the folder of a project that its editor reads. */
export const EDITOR_FOLDER = ".xcore";

const RECORD = "executable.json";

/** What has become of the folder: made, replaced by another version's, brought up to date, or left as it was. */
export type EditorFolderState = "made" | "replaced" | "updated" | "current";

export interface EditorFolderOptions {
  /** Absolute path of the plugins directory. */
  readonly pluginsDirectory: string;
  readonly plugins: Iterable<DeclaredPlugin>;
  /** What runs this xcore: a program and its first arguments. */
  readonly command: readonly string[];
}

/** What `.xcore/executable.json` holds. */
interface EditorRecord {
  /** What runs the xcore that wrote the folder. */
  readonly command: readonly string[];
  /** SHA-256 of the declarations. */
  readonly declarations: string;
}

/**
 * Writes `.xcore/` of a project: the declarations that this executable holds, those of the project's plugins, and a
 * tsconfig.json to extend. Declarations of another version, or with files missing, are replaced all in one step.
 *
 * @param directory absolute path of the project
 */
export async function writeEditorFolder(
  directory: string,
  { pluginsDirectory, plugins, command }: EditorFolderOptions,
): Promise<EditorFolderState> {
  const folder = join(directory, EDITOR_FOLDER);
  const listed = [...plugins];
  const archive = await readArchive();
  const record: EditorRecord = { command, declarations: Bun.SHA256.hash(archive, "hex") };
  const declarations = await unpackDeclarations(archive);
  const compilerOptions = toCompilerOptions(relative(folder, pluginsDirectory).replaceAll("\\", "/"));
  const own = new Map([
    [".gitignore", "*\n"],
    [RECORD, toJson(record)],
    ["tsconfig.json", toJson({ compilerOptions, files: [SETTINGS_TYPES] })],
    [SETTINGS_TYPES, await toSettingsTypes(folder, listed)],
    ...(await toPluginModules(folder, listed)),
  ]);
  if (await isWhole(folder, record, declarations.keys())) return update(folder, own);
  const isNew = !existsSync(folder);
  await replace(folder, new Map([...declarations, ...own]));
  return isNew ? "made" : "replaced";
}

/** Whether the declarations in a folder are those of this version, every file of them. */
async function isWhole(folder: string, record: EditorRecord, names: Iterable<string>): Promise<boolean> {
  const text = await readFile(join(folder, RECORD), "utf8").catch(() => "");
  if (!text.includes(`"declarations": "${record.declarations}"`)) return false;
  return [...names].every((name) => existsSync(join(folder, name)));
}

/** Brings the files that the project decides about up to date. */
async function update(folder: string, files: ReadonlyMap<string, string>): Promise<EditorFolderState> {
  let isChanged = false;
  await mkdir(join(folder, "plugins"), { recursive: true });
  for (const [name, text] of files) {
    const file = join(folder, name);
    if ((await readFile(file, "utf8").catch(() => null)) === text) continue;
    await mkdir(dirname(file), { recursive: true });
    await replaceFile(file, () => text);
    isChanged = true;
  }
  for (const found of new Bun.Glob("plugins/**").scanSync(folder)) {
    const name = found.replaceAll("\\", "/");
    if (files.has(name)) continue;
    const [, plugin = ""] = name.split("/");
    const isKnown = files.has(`plugins/${plugin}.d.ts`);
    await rm(join(folder, isKnown ? name : `plugins/${plugin}`), { recursive: true, force: true });
    isChanged = true;
  }
  return isChanged ? "updated" : "current";
}

async function replace(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  const work = await mkdtemp(`${folder}-`);
  try {
    const made = join(work, "made"); // mkdtemp makes folders that only their owner may read
    const folders = new Set([...files.keys()].map((name) => dirname(join(made, name))));
    for (const one of folders) await mkdir(one, { recursive: true });
    await Promise.all([...files].map(([name, text]) => writeFile(join(made, name), text)));
    if (existsSync(folder)) await rename(folder, join(work, "replaced"));
    await rename(made, folder);
  } finally {
    await rm(work, { recursive: true });
  }
}

function toJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
