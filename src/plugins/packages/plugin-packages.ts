import { join } from "node:path";
import { PluginError } from "../failure.ts";
import type { OpenedSnapshot } from "../remote/snapshot-store.ts";
import type { PluginSource } from "../sources.ts";
import { readPackageNeeds } from "./package-needs.ts";
import type { PackageStore } from "./package-store.ts";

/**
 * Returns the folder that holds the npm dependencies of a plugin, which are installed when they aren't there yet; null
 * for a plugin without any.
 *
 * @param opened the checked bytes of a plugin from elsewhere
 * @throws PluginError when they can't be installed
 */
export async function ensurePluginPackages(
  packages: PackageStore,
  { source, opened }: { readonly source: PluginSource; readonly opened: OpenedSnapshot | null },
  options: { readonly plugin: string; readonly signal: AbortSignal; readonly onInstall: () => void },
): Promise<string | null> {
  if (source.kind === "file") return null;
  const needs = await readPackageNeeds(async (name) => {
    if (opened !== null) return opened.snapshot.files.get(name) ?? null;
    const file = Bun.file(join(source.root, name));
    return (await file.exists()) ? file.bytes() : null;
  });
  if (needs !== null && source.remote !== null && !needs.isFrozen) {
    const message =
      `Cannot install the npm dependencies of "${options.plugin}": it brings no lockfile, so its pin doesn't ` +
      "cover them; its author makes one with `xcore plugin pack`";
    throw new PluginError("install", message);
  }
  return needs && packages.ensure(needs, options);
}
