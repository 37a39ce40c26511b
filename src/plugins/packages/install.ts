import { tmpdir } from "node:os";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { PluginError } from "../failure/failure.ts";
import { type BunRun, type Environment, runBun, toBunReason, withoutCredentials } from "./bun-process.ts";
import { ANEW, type Lockfile, LOCKFILES, readBunLock, toRegistryLock } from "./lockfile.ts";
import { recordFiles } from "./files.ts";
import { HOST_PACKAGES, type PackageNeeds } from "./needs.ts";
import { copyRegistrySettings, findRegistryOrigins, removeRegistrySettings } from "./registry-settings.ts";

export interface PackageInstallOptions {
  /** Name of the plugin, for errors. */
  readonly plugin: string;
  /** Folder of config.json, whose `.npmrc` and `bunfig.toml` say where packages come from. */
  readonly projectDirectory: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** What brings a lockfile in line with its package.json. */
const MENDERS: Readonly<Record<Lockfile, string>> = {
  "bun.lock": "bun install",
  "npm-shrinkwrap.json": "npm install",
  "package-lock.json": "npm install",
  "yarn.lock": "yarn install",
  "pnpm-lock.yaml": "pnpm install",
};

/** Downloads of one installation. Bun doesn't compare with a lockfile what it keeps in a user's cache. */
const DOWNLOADS = ".downloads";

/**
 * Fills an empty folder with the npm packages that a plugin needs and the list of their files. No script of theirs
 * is run.
 *
 * @throws PluginError with what Bun says; the signal's reason when it is aborted
 */
export async function installPackages(
  folder: string,
  needs: PackageNeeds,
  options: PackageInstallOptions,
): Promise<void> {
  const { plugin, projectDirectory, log, signal } = options;
  const env = await copyRegistrySettings(projectDirectory, folder);
  const run = (args: readonly string[]): Promise<BunRun> => runLogged(args, { folder, env, log, signal });
  for (const [name, content] of needs.files) await writeFile(join(folder, name), content);
  if (needs.isFrozen) {
    await toBunLock(folder, needs, { plugin, run });
    await keepToRegistries(folder, projectDirectory);
  }
  const { code, output } = await run([
    "install",
    "--ignore-scripts",
    "--production",
    "--linker=hoisted",
    "--no-progress",
    ...(needs.isFrozen ? ["--frozen-lockfile"] : ["--no-save"]),
  ]);
  if (code !== 0) throw failure(plugin, output, findLockfile(needs));
  await assertInstalled(folder, needs, plugin);
  await rm(join(folder, DOWNLOADS), { recursive: true, force: true });
  await removeRegistrySettings(folder);
  // Packages bring Elysia and what else xcore embeds as their peers, but they are given the host's own.
  for (const name of HOST_PACKAGES)
    await rm(join(folder, "node_modules", name), { recursive: true, force: true });
  await recordFiles(folder);
}

/**
 * Makes the bun.lock of a package.json: exact versions with digests of all that its dependencies bring. Nothing is
 * installed.
 *
 * @param projectDirectory folder of config.json, whose settings of npm registries apply
 * @throws PluginError when a package can't be found
 */
export async function createLockfile(
  packageJson: Uint8Array,
  { projectDirectory }: { readonly projectDirectory: string },
): Promise<Uint8Array> {
  // Elsewhere: in its place it could be taken for a part of a workspace.
  const folder = await mkdtemp(join(tmpdir(), "xcore-lock-"));
  try {
    await writeFile(join(folder, "package.json"), packageJson);
    const env = await copyRegistrySettings(projectDirectory, folder);
    const args = ["install", "--lockfile-only", "--ignore-scripts", "--save-text-lockfile"];
    const { code, output } = await runBun(args, { cwd: folder, env });
    if (code !== 0) throw new Error(toBunReason(output));
    const content = await readFile(join(folder, "bun.lock"));
    readBunLock(content); // what others would refuse is not published
    return content;
  } catch (error) {
    if (error instanceof PluginError) throw error;
    const reason = (error as Error).message;
    throw new PluginError("install", `Cannot make bun.lock for package.json: ${reason}`, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runLogged(
  args: readonly string[],
  { folder, env, log, signal }: { folder: string; env: Environment; log: Logger; signal: AbortSignal },
): Promise<BunRun> {
  const onLine = (line: string): void => {
    if (line.trim() !== "") log.debug(withoutCredentials(line));
  };
  const downloads = join(folder, DOWNLOADS);
  const cached = args[0] === "install" ? [`--cache-dir=${downloads}`] : [];
  return runBun([...args, ...cached], {
    cwd: folder,
    env: { ...env, BUN_INSTALL_CACHE_DIR: downloads },
    signal,
    onLine,
  });
}

/** Turns the lockfile of another package manager into Bun's, with the same versions and digests. */
async function toBunLock(
  folder: string,
  needs: PackageNeeds,
  { plugin, run }: { plugin: string; run: (args: readonly string[]) => Promise<BunRun> },
): Promise<void> {
  if (needs.files.has("bun.lock")) return; // It has been read with the needs.
  const name = findLockfile(needs) ?? "";
  const { output } = await run(["pm", "migrate"]);
  const lock = Bun.file(join(folder, "bun.lock"));
  if (!(await lock.exists())) {
    const reason = toBunReason(output.replaceAll(/^.*migrated lockfile.*$/gm, ""));
    throw new PluginError(
      "install",
      `Cannot follow ${name} of "${plugin}": ${reason || "it can't be read"}; make a bun.lock with "bun install"`,
      { file: name },
    );
  }
  let digests: ReadonlyMap<string, string>;
  try {
    ({ digests } = readBunLock(await lock.bytes()));
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    const message = error.message
      .replaceAll("bun.lock", name)
      .replace(ANEW, 'make a bun.lock with "bun install"');
    throw new PluginError("install", message, { file: name });
  }
  const text = new TextDecoder().decode(needs.files.get(name));
  // Bun asks the registry for digests that the lockfile lacks.
  const [missing] = [...digests].find(([, digest]) => !text.includes(digest)) ?? [];
  if (missing === undefined) return;
  const message = `Cannot use ${name}: it has no digest of "${missing}"; make a bun.lock with "bun install"`;
  throw new PluginError("install", message, { file: name });
}

/** What has been read of the lockfile is what Bun gets, whatever hosts it names. */
async function keepToRegistries(folder: string, projectDirectory: string): Promise<void> {
  const lock = join(folder, "bun.lock");
  const origins = await findRegistryOrigins(projectDirectory);
  await writeFile(lock, toRegistryLock(await readFile(lock), origins));
}

/** A setting such as `dryRun` makes Bun say that all went well. */
async function assertInstalled(folder: string, needs: PackageNeeds, plugin: string): Promise<void> {
  await mkdir(join(folder, "node_modules"), { recursive: true });
  const { optionalDependencies = {} } = JSON.parse(
    new TextDecoder().decode(needs.files.get("package.json")),
  ) as { optionalDependencies?: Record<string, string> };
  for (const name of Object.keys(needs.dependencies)) {
    if (Object.hasOwn(optionalDependencies, name)) continue;
    const isThere = await stat(join(folder, "node_modules", name)).then(
      () => true,
      () => false,
    );
    if (!isThere) {
      const message = `Cannot install the npm dependencies of "${plugin}": Bun left out "${name}"; see [install] in bunfig.toml`;
      throw new PluginError("install", message);
    }
  }
}

/** Name of the lockfile that the plugin brings, null for none. */
function findLockfile({ files }: PackageNeeds): Lockfile | null {
  return LOCKFILES.find((name) => files.has(name)) ?? null;
}

/** @param lockfile that was followed: Bun speaks of its own form, which it made of that one */
function failure(plugin: string, output: string, lockfile: Lockfile | null): PluginError {
  const told = toBunReason(output) || "Bun gave no reason";
  const reason = lockfile === null ? told : told.replaceAll("bun.lock", lockfile);
  const isStale = lockfile !== null && /lockfile is frozen|No version matching/.test(reason);
  const advice = isStale
    ? `run "${MENDERS[lockfile]}" in the plugin's folder, which mends ${lockfile}`
    : toAdvice(reason);
  const message = `Cannot install the npm dependencies of "${plugin}": ${reason}; ${advice}`;
  return new PluginError("install", message, { file: isStale ? lockfile : null });
}

function toAdvice(reason: string): string {
  if (/integrity/i.test(reason))
    return "the registry gives something else than the lockfile says; ask the author";
  if (/ - 40[13]\b/.test(reason))
    return "the registry wants credentials: put them in the .npmrc beside config.json";
  return "see that the registry can be reached and has them, then reload the plugin";
}
