import { rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import valid from "semver/functions/valid.js";
import { makeTemporaryFolder } from "../../../files/temporary-folder.ts";
import { type Environment, runBun, toBunReason, withoutCredentials } from "../../packages/bun-process.ts";
import { copyRegistrySettings } from "../../packages/registry-settings.ts";
import { takeFolder } from "./archive.ts";
import { FetchError } from "../../failure/failure.ts";
import type { FetchWork, FoundPlugin } from "./fetch.ts";
import { readPluginFolder } from "../../snapshot/folder-files.ts";
import type { Location } from "./location.ts";

/** Downloads of one fetch. Bun doesn't compare with the registry's digest what it keeps in a user's cache. */
const DOWNLOADS = ".downloads";
const MAX_ANSWER = 8_000_000; // characters of what a registry says of a package
const FINAL = /(^| - )4(?!08|25|29)\d\d\b|no matching version|not found|integrity/i;
const INTEGRITY = /^sha(1|256|384|512)-[A-Za-z0-9+/]+=*$/;

type NpmLocation = Extract<Location, { kind: "npm" }>;

interface RegistryAccess {
  readonly work: FetchWork;
  readonly env: Environment;
}

/** One version of a package, as its registry has it. */
interface Release {
  readonly version: string;
  /** Digest of what is downloaded. */
  readonly integrity: string;
  /** Host that it is downloaded from; null when the registry doesn't say. */
  readonly host: string | null;
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
    const { version, integrity, host } = await findRelease(folder, location, { work, env });
    const exact = { ...location, text: `npm:${name}@${version}`, version };
    await install(folder, { location: exact, integrity }, { work, env });
    const root = join(folder, "node_modules", name);
    await assertPlugin(root, text);
    const { files, signatures } = await readPluginFolder(root, { maxBytes: work.limits.maxBytes });
    for (const content of files.values()) work.budget.takeBytes(content.length, `"${text}"`);
    return {
      location: exact,
      snapshot: await takeFolder(files, signatures, work),
      hosts: host === null ? [] : [host],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeFolder(tmp: string): Promise<string> {
  try {
    return await makeTemporaryFolder(tmp);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const advice = "let the user that xcore runs as write there";
    throw new FetchError(`Cannot make a folder in "${tmp}": ${code}; ${advice}`, { cause: error });
  }
}

/** Asks the registry which version of a package is meant, without downloading it. */
async function findRelease(
  folder: string,
  { text, name, version: wanted }: NpmLocation,
  access: RegistryAccess,
): Promise<Release> {
  await writeFile(join(folder, "package.json"), "{}");
  const { code, output } = await run(["info", `${name}@${wanted}`, "--json"], folder, text, access);
  const answer = parseAnswer(output);
  const { version, error } = answer;
  if (code !== 0) throw refused(text, typeof error === "string" ? error : toBunReason(output, "first"));
  const { integrity, shasum, tarball } = (answer["dist"] ?? {}) as Record<string, unknown>;
  if (typeof version !== "string" || valid(version) !== version) {
    throw new FetchError(`Cannot fetch "${text}": its registry names no version`);
  }
  const digests = typeof integrity === "string" ? integrity.split(/\s+/) : [];
  if (/^[0-9a-f]{40}$/.test(String(shasum))) {
    digests.push(`sha1-${Buffer.from(String(shasum), "hex").toString("base64")}`);
  }
  const known = digests.filter((one) => INTEGRITY.test(one));
  const digest = known.find((one) => one.startsWith("sha512-")) ?? known[0];
  if (digest === undefined) {
    throw new FetchError(`Cannot fetch "${text}": its registry gives no digest of it`);
  }
  return { version, integrity: digest, host: URL.parse(String(tarball))?.host ?? null };
}

/**
 * Downloads one package. A lockfile says that it is all there is: what it depends on, which may name any place, URLs
 * and repositories among them, is asked for nothing.
 */
async function install(
  folder: string,
  { location: { text, name, version }, integrity }: { location: NpmLocation; integrity: string },
  access: RegistryAccess,
): Promise<void> {
  const needed = { name: "fetched", dependencies: { [name]: version } };
  const packages = { [name]: [`${name}@${version}`, "", {}, integrity] };
  const lock = { lockfileVersion: 1, workspaces: { "": needed }, packages };
  await writeFile(join(folder, "package.json"), JSON.stringify(needed));
  await writeFile(join(folder, "bun.lock"), JSON.stringify(lock));
  const args = ["install", "--frozen-lockfile", "--ignore-scripts", "--production", "--linker=hoisted"];
  const downloads = `--cache-dir=${join(folder, DOWNLOADS)}`;
  const { code, output } = await run([...args, "--no-progress", downloads], folder, text, access);
  if (code !== 0) throw refused(text, toBunReason(output));
}

async function run(
  args: readonly string[],
  folder: string,
  text: string,
  { work: { signal }, env }: RegistryAccess,
): Promise<{ code: number; output: string }> {
  try {
    let output = "";
    const onLine = (line: string): void => {
      output = `${output}${line}\n`.slice(0, MAX_ANSWER);
    };
    const { code } = await runBun(args, { cwd: folder, signal, env, onLine });
    return { code, output: withoutCredentials(output) };
  } catch (error) {
    signal.throwIfAborted();
    const reason = (error as Error).message;
    throw new FetchError(`Cannot fetch "${text}": ${reason}`, { isTransient: true, cause: error });
  }
}

function refused(text: string, reason: string): FetchError {
  return new FetchError(
    `Cannot fetch "${text}": ${reason || "Bun gave no reason"}; see that the registry has it, and the .npmrc beside config.json`,
    { isTransient: !FINAL.test(reason) },
  );
}

/** What Bun prints as JSON; warnings may stand around it. */
function parseAnswer(output: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // It printed no JSON.
  }
  return {};
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
