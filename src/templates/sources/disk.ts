import { existsSync } from "node:fs";
import { join } from "node:path";
import { isCatalogueName } from "../languages/catalogues.ts";

/** What a folder of templates may hold: they, and translations of their texts. Anything else in it is none. */
const FILES = "**/*.{html,txt,xml,json}";
const TEMPLATE_NAME = /\.(?:html|txt|xml)$/;
const MAX_BYTES = 1024 * 1024;

/** Reads the templates of a folder, by their names: paths below it, with "/". A folder that isn't there has none. */
export async function readTemplates(directory: string): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const name of await listTemplates(directory)) {
    const file = Bun.file(join(directory, name));
    // oxlint-disable-next-line no-await-in-loop -- a few small files
    const text = file.size > MAX_BYTES ? null : await file.text().catch(() => null);
    if (text !== null) texts.set(name, text);
  }
  return texts;
}

/** Whether a file of this name is a template, or has translations: its own, or those of a plugin that it is for. */
export function isTemplateName(name: string): boolean {
  const [, ...below] = name.split("/");
  return TEMPLATE_NAME.test(name) || isCatalogueName(name) || isCatalogueName(below.join("/"));
}

/** No links are followed: they may lead anywhere. */
async function listTemplates(directory: string): Promise<string[]> {
  if (!existsSync(directory)) return []; // as for most plugins, of which there may be hundreds
  try {
    const names = await Array.fromAsync(new Bun.Glob(FILES).scan({ cwd: directory, followSymlinks: false }));
    return names
      .map((name) => name.replaceAll("\\", "/"))
      .filter(isTemplateName)
      .toSorted();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}
