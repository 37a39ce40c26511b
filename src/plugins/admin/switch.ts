import { setJsonPath } from "../../config/json/edit.ts";
import { replaceFile } from "../../files/replace.ts";
import { fail } from "../../errors/codes.ts";
import { manifestPathOf } from "../source/manifest-file.ts";
import type { PluginSource } from "../source/sources.ts";

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
    throw fail("conflict", message);
  }
  const file = manifestPathOf(source);
  await replaceFile(file, (text) => setJsonPath(text ?? "{}", ["active"], active));
  return file;
}
