import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { replaceBytes } from "../../../files/replace.ts";
import { fail } from "../../failure/error-codes.ts";
import { describePluginError, PluginError } from "../../failure/failure.ts";
import { createLockfile } from "../../packages/install.ts";
import { readPackageNeeds } from "../../packages/needs.ts";
import { computeIntegrity } from "../../snapshot/integrity.ts";
import { listSigners, signIntegrity, type SigningKey } from "../../snapshot/signatures.ts";
import { isUrlName, type Snapshot, signatureNameOf } from "../../snapshot/snapshot.ts";
import { SnapshotStore } from "../../snapshot/store.ts";
import type { PluginFiles } from "../../source/files.ts";
import type { Manifest } from "../../source/manifest.ts";
import type { Surface } from "../../source/surface.ts";
import { type FetchedPlugin, type FetchOptions, fetchPlugin } from "../fetch/fetch.ts";
import { openFetched } from "../sources.ts";
import { writePublished } from "./folder.ts";
import { declareSurface, listFiles, packFiles, type PublishablePlugin, readPublishable } from "./pack.ts";

export { assertReplaceable } from "./folder.ts";

/** A plugin on this machine that its author works on. */
export interface PluginTarget {
  /** Absolute path of its folder, its module, or its archive. */
  readonly path: string;
  /** As the user would type it. */
  readonly shown: string;
  readonly kind: "folder" | "module" | "archive";
  readonly fetch: FetchOptions;
}

export interface PublicationOptions {
  /** Loads the plugin to see what it registers. @throws PluginError when it can't be loaded */
  readonly rehearse: (plugin: {
    readonly name: string;
    readonly files: PluginFiles;
    readonly manifest: Manifest;
  }) => Promise<Surface>;
  readonly log: Logger;
  /** Says what the author should know. */
  readonly warn: (line: string) => void;
}

/** A plugin that declares what it registers, and can be published. */
export interface Publication {
  readonly plugin: PublishablePlugin;
  readonly target: PluginTarget;
  /** Digest of all that was loaded: its files but plugin.json, and what it imports from elsewhere. */
  readonly loaded: string;
}

/** What was published. */
export interface Published {
  /** Absolute path of the archive or the folder. */
  readonly file: string;
  /** Bytes of the archive; of all files for a folder. */
  readonly size: number;
  readonly integrity: string;
  /** Keys that have signed it. */
  readonly signers: readonly string[];
}

/**
 * Reads a plugin's folder, makes the lockfile that its author forgot, and loads the plugin as those will who fetch it,
 * so that it declares what it registers. The folder's own plugin.json stays as it is.
 *
 * @throws PluginError when others couldn't use it
 * @throws AppError plugin_refused when it can't be loaded
 */
export async function preparePublication(
  target: PluginTarget,
  options: PublicationOptions,
): Promise<Publication> {
  const plugin = await readWithLockfile(target, options);
  try {
    return await rehearse(plugin, target, options);
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    const reason = `it can't be loaded: ${describePluginError(error)}`;
    throw fail("plugin_refused", `Cannot pack "${target.shown}": ${reason}`, { cause: error });
  }
}

/** Writes a plugin into one file, which replaces an older one in one step. @throws as `preparePublication` does */
export async function writeArchive(publication: Publication, file: string): Promise<Published> {
  const { plugin } = publication;
  const written = `${file}.${crypto.randomUUID().slice(0, 8)}.tmp.tgz`;
  try {
    const whole = await packFiles(plugin);
    await writeFile(written, whole);
    const { integrity, signers } = await readBack(written, publication);
    const isSigned = plugin.signatures === null || signers.length > 0;
    const content = isSigned ? whole : await packFiles({ ...plugin, signatures: null });
    await replaceBytes(file, content);
    return { file, size: content.length, integrity, signers };
  } finally {
    await rm(written, { force: true });
  }
}

/** Writes a plugin into a folder for a web server. @throws as `preparePublication` and `assertReplaceable` do */
export async function writeFolder(publication: Publication, folder: string): Promise<Published> {
  const { files, signatures } = listFiles(publication.plugin);
  const { integrity, signers } = await writePublished({ files, signatures }, folder, async (written) => {
    const read = await readBack(written, publication);
    if (read.signers.length === 0) await rm(join(written, signatureNameOf("plugin.json")), { force: true });
    return read;
  });
  const size = [...files.values()].reduce((sum, { length }) => sum + length, 0);
  return { file: folder, size, integrity, signers };
}

/**
 * Signs a plugin as it is now: in the archive itself, or in a file beside its entry.
 *
 * @returns `file`: the one that holds the signatures now
 * @throws FetchError when it can't be read
 */
export async function signPlugin(
  target: PluginTarget,
  key: SigningKey,
): Promise<{ readonly integrity: string; readonly file: string }> {
  const { snapshot, integrity } = await readAsFetched(target.path, target.fetch);
  const signatures = await signIntegrity(integrity, key, snapshot.signatures);
  return { integrity, file: await writeSignatures(target, snapshot, signatures) };
}

async function writeSignatures(
  { path, kind }: PluginTarget,
  { entry, files }: Snapshot,
  signatures: Uint8Array,
): Promise<string> {
  if (kind === "archive") {
    const own = new Map([...files].filter(([name]) => !isUrlName(name)));
    await replaceBytes(path, await packFiles({ files: own, signatures }));
    return path;
  }
  const file = kind === "folder" ? join(path, signatureNameOf(entry)) : signatureNameOf(path);
  await replaceBytes(file, signatures);
  return file;
}

async function readWithLockfile(
  { path, shown, fetch }: PluginTarget,
  { warn }: PublicationOptions,
): Promise<PublishablePlugin> {
  const { projectDirectory, limits } = fetch;
  const how = { shown, maxBytes: limits.maxBytes };
  const plugin = await readPublishable(path, how);
  const needs = await readPackageNeeds(async (name) => plugin.files.get(name) ?? null);
  const packageJson = plugin.files.get("package.json");
  if (needs === null || needs.isFrozen || packageJson === undefined) return plugin;
  await writeFile(join(path, "bun.lock"), await createLockfile(packageJson, { projectDirectory }));
  warn(`Made ${join(shown, "bun.lock")}: it says which npm packages exactly the plugin gets`);
  return readPublishable(path, how);
}

async function rehearse(
  plugin: PublishablePlugin,
  target: PluginTarget,
  { rehearse: load, log }: PublicationOptions,
): Promise<Publication> {
  const { manifest } = plugin;
  const { name } = manifest;
  const folder = await mkdtemp(join(await realpath(tmpdir()), "xcore-pack-"));
  try {
    const written = join(folder, "packed.tgz");
    await writeFile(written, await packFiles(plugin));
    const fetched = await readAsFetched(written, target.fetch);
    const store = new SnapshotStore({ cache: folder, vendor: join(folder, "vendor"), log });
    const files = await openFetched(fetched, { name, shown: target.shown, store });
    const surface = await load({ name, files, manifest });
    return { plugin: declareSurface(plugin, surface), target, loaded: digestOfLoaded(fetched) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Reads what was written as those will read it who fetch it: what they would refuse is not published. */
async function readBack(
  written: string,
  { plugin, target, loaded }: Publication,
): Promise<Pick<Published, "integrity" | "signers">> {
  const fetched = await readAsFetched(written, target.fetch);
  if (digestOfLoaded(fetched) !== loaded) {
    const state = "what it imports from elsewhere has changed since it was loaded; pack it again";
    throw fail("plugin_refused", `Cannot pack "${target.shown}": ${state}`);
  }
  const { integrity } = fetched;
  return { integrity, signers: await listSigners(integrity, plugin.signatures) };
}

/** With what it imports from elsewhere. */
function readAsFetched(path: string, fetch: FetchOptions): Promise<FetchedPlugin> {
  return fetchPlugin({ kind: "path", text: path, path }, fetch);
}

function digestOfLoaded({ snapshot }: FetchedPlugin): string {
  const files = new Map(snapshot.files);
  files.delete(snapshot.entry);
  return computeIntegrity({ ...snapshot, files });
}
