import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { valid } from "semver";
import { type Environment, runBun } from "../packages/bun-process.ts";
import { copyRegistrySettings } from "../packages/registry-settings.ts";
import { takeFolder } from "./folder-snapshot.ts";
import { FetchError } from "./fetch-error.ts";
import type { FetchWork, FoundPlugin } from "./fetch-plugin.ts";
import { readPluginFolder } from "./folder-files.ts";
import type { Location } from "./location.ts";

/** Downloads of one fetch: those that Bun keeps for a user it wouldn't compare with the registry's digest again. */
const DOWNLOADS = ".downloads";
const MAX_REASON = 500; // characters
const FINAL = / - 4(?!08|25|29)\d\d\b|no version matching|but package exists|not found|integrity/i;

type NpmLocation = Extract<Location, { kind: "npm" }>;

interface RegistryAccess {
  readonly work: FetchWork;
  readonly env: Environment;
}

/**
 * Fetches a plugin that is an npm package, with Bun's package manager: from the registry that the project and the
 * machine are set up with, install scripts off. The packages that it depends on are not part of it.
 */
export async function fetchFromNpm(location: NpmLocation, work: FetchWork): Promise<FoundPlugin> {
  const { text, name } = location;
  if (work.limits.isOffline) {
    const advice = "leave out --offline, or set plugins.offline to false";
    throw new FetchError(`Cannot fetch "${text}": xcore is offline; ${advice}`);
  }
  const folder = await makeFolder(work.tmp);
  try {
    const env = {
      ...(await copyRegistrySettings(work.projectDirectory, folder)),
      BUN_INSTALL_CACHE_DIR: join(folder, DOWNLOADS),
    };
    await install(folder, location, { work, env });
    const root = join(folder, "node_modules", name);
    const exact = await readVersion(root, location);
    await assertPlugin(root, text);
    const { files, signatures } = await readPluginFolder(root, { maxBytes: work.limits.maxBytes });
    for (const content of files.values()) work.budget.takeBytes(content.length, `"${text}"`);
    return {
      location: { ...location, text: `npm:${name}@${exact}`, version: exact },
      snapshot: await takeFolder(files, signatures, work),
      hosts: await findHosts(folder, `${name}@${exact}`, { work, env }),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeFolder(tmp: string): Promise<string> {
  try {
    await mkdir(tmp, { recursive: true });
    return await mkdtemp(join(tmp, "npm-"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const advice = "let the user that xcore runs as write there";
    throw new FetchError(`Cannot make a folder in "${tmp}": ${code}; ${advice}`, { cause: error });
  }
}

async function install(
  folder: string,
  { text, name, version }: NpmLocation,
  access: RegistryAccess,
): Promise<void> {
  const { work, env } = access;
  const needed = { name: "fetched", private: true, dependencies: { [name]: version } };
  await writeFile(join(folder, "package.json"), JSON.stringify(needed));
  const args = ["install", "--ignore-scripts", "--production", "--omit=peer", "--omit=optional"];
  const { code, output } = await runBun(
    [...args, "--linker=hoisted", "--no-progress", `--cache-dir=${env.BUN_INSTALL_CACHE_DIR}`],
    { cwd: folder, signal: work.signal, env },
  ).catch((error: unknown) => {
    work.signal.throwIfAborted();
    const reason = (error as Error).message;
    throw new FetchError(`Cannot fetch "${text}": ${reason}`, { isTransient: true, cause: error });
  });
  if (code === 0) return;
  const reason = toReason(output);
  throw new FetchError(
    `Cannot fetch "${text}": ${reason}; see that the registry has it, and the .npmrc beside config.json`,
    { isTransient: !FINAL.test(reason) },
  );
}

/** The lines with which Bun says what is wrong; the last one when there are none such. */
function toReason(output: string): string {
  const lines = output
    .replaceAll(/\/\/[^/@\s]+@/g, "//") // credentials
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const marked = lines.filter((line) => line.startsWith("error: "));
  const told = marked.length > 0 ? marked.map((line) => line.slice("error: ".length)) : lines.slice(-1);
  return [...new Set(told)].join(", ").slice(0, MAX_REASON) || "Bun gave no reason";
}

async function readVersion(root: string, { text }: NpmLocation): Promise<string> {
  try {
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
      version?: unknown;
    };
    if (typeof version === "string" && valid(version) === version) return version;
  } catch {
    // Said below.
  }
  throw new FetchError(`Cannot fetch "${text}": its package.json names no version`);
}

async function assertPlugin(root: string, text: string): Promise<void> {
  const isThere = await stat(join(root, "plugin.json")).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  throw new FetchError(
    `Cannot fetch "${text}": the package holds no plugin.json, so it is no plugin of xcore`,
  );
}

/** The host of the registry; none when it can't be told any more. */
async function findHosts(folder: string, exact: string, { work, env }: RegistryAccess): Promise<string[]> {
  const { signal } = work;
  const { output } = await runBun(["info", exact, "dist.tarball"], { cwd: folder, signal, env }).catch(() => {
    signal.throwIfAborted();
    return { output: "" };
  });
  const url = URL.parse(/https?:\/\/\S+/.exec(output)?.[0] ?? "");
  return url === null ? [] : [url.host];
}
