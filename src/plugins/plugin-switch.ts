import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { setJsonKey } from "../config/json-edit.ts";
import { AppError } from "../errors/app-error.ts";
import { manifestPathOf } from "./manifest-file.ts";
import type { PluginSource } from "./sources.ts";

/**
 * Writes into a plugin's manifest whether it is active, and keeps the rest as it was written. A running server that
 * watches follows.
 *
 * @returns the file
 * @throws AppError conflict for a plugin that is a single file
 */
export async function writeActive(
  { name, source }: { readonly name: string; readonly source: PluginSource },
  active: boolean,
  toDisplayPath: (file: string) => string,
): Promise<string> {
  if (source.kind === "file") {
    const verb = active ? "enable" : "disable";
    const file = toDisplayPath(source.path);
    const message = `Cannot ${verb} "${name}": set \`active: ${active}\` in PLUGIN_INFO of ${file} yourself`;
    throw new AppError("conflict", 409, message);
  }
  const file = manifestPathOf(source);
  await replaceText(file, (text) => setJsonKey(text, "active", active));
  return file;
}

/** Writes a file anew in one step, with its permissions, so that a running server never reads half of it. */
async function replaceText(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(file, "utf8");
  const written = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(written, change(text), { mode: (await stat(file)).mode });
    await rename(written, file);
  } catch (error) {
    await rm(written, { force: true });
    throw error;
  }
}
