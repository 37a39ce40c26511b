import { join } from "node:path";
import { setJsonPath } from "../../config/json/edit.ts";
import { replaceFile } from "../../files/replace.ts";
import { fail } from "../../errors/codes.ts";
import type { PluginFiles } from "../source/files.ts";

/**
 * Writes into a plugin's manifest whether it is active, and keeps the rest as it was written. A running server that
 * watches follows.
 *
 * @throws AppError conflict for a plugin that is a single file
 */
export async function writeActive(
  { name, files }: { readonly name: string; readonly files: PluginFiles },
  active: boolean,
): Promise<void> {
  const { isSingleFile, path, source } = files;
  if (isSingleFile) {
    const verb = active ? "enable" : "disable";
    const message = `Cannot ${verb} "${name}": set \`active: ${active}\` in PLUGIN_INFO of ${source.shown} yourself`;
    throw fail("conflict", message);
  }
  await replaceFile(join(path, "plugin.json"), (text) => setJsonPath(text ?? "{}", ["active"], active));
}
