import { readFile, rm, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Environment } from "./bun-process.ts";

/** Files beside config.json that say which npm registries a project uses. Bun reads those of its current folder. */
const SETTINGS_FILES = [".npmrc", "bunfig.toml"];
const VARIABLE = /\$\{?(\w+)\}?/g;

/**
 * Puts a project's settings of npm registries into a folder that Bun is run in. Those of the machine apply as
 * well: `~/.npmrc`, `NPM_CONFIG_REGISTRY`.
 *
 * @param projectDirectory folder of config.json
 * @returns the environment variables that the settings name, `${NPM_TOKEN}`, for `runBun`
 */
export async function copyRegistrySettings(projectDirectory: string, folder: string): Promise<Environment> {
  const names = new Set<string>();
  for (const file of SETTINGS_FILES) {
    const text = await readSettings(join(projectDirectory, file));
    if (text === null) continue;
    // A link: should the process be killed, no copy of a token stays behind. Windows may refuse it.
    await symlink(join(projectDirectory, file), join(folder, file)).catch(() =>
      writeFile(join(folder, file), text, { mode: 0o600 }),
    );
    for (const [, name = ""] of text.matchAll(VARIABLE)) names.add(name);
  }
  return Object.fromEntries([...names].map((name) => [name, process.env[name]]));
}

/** Removes what `copyRegistrySettings` has put there. */
export async function removeRegistrySettings(folder: string): Promise<void> {
  for (const file of SETTINGS_FILES) await rm(join(folder, file), { force: true });
}

/**
 * Returns the origins of the npm registries that a project and its machine are set up with.
 *
 * @param projectDirectory folder of config.json
 */
export async function findRegistryOrigins(projectDirectory: string): Promise<ReadonlySet<string>> {
  const home = homedir();
  const files = [
    ...SETTINGS_FILES.map((file) => join(projectDirectory, file)),
    join(home, ".npmrc"),
    join(home, ".bunfig.toml"),
    join(process.env["XDG_CONFIG_HOME"] ?? home, ".bunfig.toml"),
  ];
  const texts = await Promise.all(files.map(readSettings));
  const variables = Object.entries(process.env).filter(([name]) =>
    /^(npm|bun)_config_.*registry$/i.test(name),
  );
  const urls = [...texts, ...variables.map(([, value]) => value ?? "")].flatMap((text) =>
    (text ?? "")
      .replaceAll(VARIABLE, (_, name: string) => process.env[name] ?? "")
      .match(/https?:\/\/[^\s"']+/g),
  );
  const origins = urls.map((url) => URL.parse(url ?? "")?.origin).filter((origin) => origin !== undefined);
  return new Set(origins);
}

async function readSettings(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
