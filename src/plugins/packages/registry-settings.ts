import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "./bun-process.ts";

/** Files beside config.json that say which npm registries a project uses. Bun reads those of its current folder. */
const SETTINGS_FILES = [".npmrc", "bunfig.toml"];

/**
 * Copies a project's settings of npm registries into a folder that Bun is run in. Those of the machine apply as
 * well: `~/.npmrc`, `NPM_CONFIG_REGISTRY`.
 *
 * @param projectDirectory folder of config.json
 * @returns the environment variables that the settings name, `${NPM_TOKEN}`, for `runBun`
 */
export async function copyRegistrySettings(projectDirectory: string, folder: string): Promise<Environment> {
  const names = new Set<string>();
  for (const file of SETTINGS_FILES) {
    const text = await readFile(join(projectDirectory, file), "utf8").catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return null;
        throw error;
      },
    );
    if (text === null) continue;
    await writeFile(join(folder, file), text, { mode: 0o600 }); // They may hold tokens.
    for (const [, name = ""] of text.matchAll(/\$\{?(\w+)/g)) names.add(name);
  }
  return Object.fromEntries([...names].map((name) => [name, process.env[name]]));
}

/** Removes what `copyRegistrySettings` has copied. */
export async function removeRegistrySettings(folder: string): Promise<void> {
  for (const file of SETTINGS_FILES) await rm(join(folder, file), { force: true });
}
