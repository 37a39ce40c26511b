import { posix } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import { parseJsonDocument } from "../../../config/json/document.ts";
import { setJsonPath } from "../../../config/json/edit.ts";
import { isJsonObject } from "../../../config/json/values.ts";
import { TarError, writeTar } from "../../../files/tar.ts";
import { PluginError } from "../../failure/failure.ts";
import { DEFAULT_ENTRY, type Manifest, parseManifest, TSX_ENTRY } from "../../source/manifest.ts";
import type { Surface } from "../../source/surface.ts";
import { type PluginFolder, readPluginFolder } from "../../snapshot/folder-files.ts";
import { findNameClash, signatureNameOf } from "../../snapshot/snapshot.ts";

/** A plugin's folder that can be published. */
export interface PublishablePlugin extends PluginFolder {
  readonly manifest: Manifest;
}

const MANIFEST = "plugin.json";
// No time, no name, and a system that says nothing (RFC 1952): what is packed alone decides over the bytes.
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);

/**
 * Reads a plugin's folder and makes sure that others can use it: its manifest, its entry, and the names of its files.
 *
 * @param shown the folder, as errors show it
 * @throws PluginError
 */
export async function readPublishable(
  folder: string,
  { shown, maxBytes }: { readonly shown: string; readonly maxBytes: number },
): Promise<PublishablePlugin> {
  const { files, signatures } = await readPluginFolder(folder, { maxBytes });
  const file = posix.join(shown, MANIFEST);
  const content = files.get(MANIFEST);
  if (content === undefined) {
    throw new PluginError("manifest", `Cannot find plugin.json in "${shown}": name the folder of a plugin`);
  }
  const manifest = parseManifest(new TextDecoder().decode(content), file);
  const hasTsx = manifest.entry === DEFAULT_ENTRY && files.has(TSX_ENTRY);
  if (!files.has(posix.normalize(manifest.entry)) && !hasTsx) {
    const message = `Cannot find entry "${manifest.entry}" among its files: create it, or name another file in "entry"`;
    throw new PluginError("manifest", message, { file });
  }
  const key = [...files].find(([, bytes]) => isPrivateKey(bytes))?.[0];
  if (key !== undefined) {
    const message = `Cannot publish "${key}": it holds a private key; move it out of the plugin's folder`;
    throw new PluginError("manifest", message, { file });
  }
  const clash = findNameClash(files.keys());
  if (clash !== null) {
    const message = `Cannot publish "${clash[0]}" and "${clash[1]}": not every system can tell them apart; rename one`;
    throw new PluginError("manifest", message, { file });
  }
  return { manifest, files, signatures };
}

/**
 * Lists all the files of a plugin in `files` of its plugin.json, so that it can be fetched one file after another
 * from a web server. The rest of plugin.json stays as it was written.
 */
export function listFiles(plugin: PublishablePlugin): PublishablePlugin {
  const listed = [...plugin.files.keys()].filter((name) => name !== MANIFEST);
  return setInManifest(plugin, "files", listed);
}

/**
 * Writes what a plugin registers into `surface` of its plugin.json. The rest of plugin.json stays as it was written.
 *
 * @throws PluginError when it can't be declared: a path that can't be shown, thousands of routes
 */
export function declareSurface(plugin: PublishablePlugin, surface: Surface): PublishablePlugin {
  const { files } = setInManifest(plugin, "surface", surface);
  const manifest = parseManifest(new TextDecoder().decode(files.get(MANIFEST)), MANIFEST);
  return { ...plugin, files, manifest };
}

function setInManifest(plugin: PublishablePlugin, key: string, value: unknown): PublishablePlugin {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(plugin.files.get(MANIFEST));
  if (Bun.deepEquals(readKey(text, key), value)) return plugin;
  const manifest = new TextEncoder().encode(setJsonPath(text, [key], value));
  return { ...plugin, files: new Map(plugin.files).set(MANIFEST, manifest) };
}

/** Returns `files` as a plugin.json has it. */
export function readListed(text: string): unknown {
  return readKey(text, "files");
}

function readKey(text: string, key: string): unknown {
  const { value } = parseJsonDocument(text.replace(/^\uFEFF/, ""));
  return isJsonObject(value) ? value[key] : undefined;
}

/**
 * Packs the files of a plugin into a .tgz. The same files give the same bytes, whatever their times, owners and modes.
 *
 * @throws PluginError when a name is too long for an archive
 */
export async function packFiles({ files, signatures }: PluginFolder): Promise<Uint8Array> {
  const all = new Map(files);
  if (signatures !== null) all.set(signatureNameOf(MANIFEST), signatures);
  const entries = [...all]
    .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, bytes]) => ({ name, size: bytes.length, content: streamOf(bytes) }));
  try {
    const tar = Buffer.concat(await Array.fromAsync(writeTar(entries)));
    const ending = Buffer.alloc(8);
    ending.writeUInt32LE(crc32(tar), 0);
    ending.writeUInt32LE(tar.length, 4);
    return Buffer.concat([GZIP_HEADER, deflateRawSync(tar, { level: 9 }), ending]);
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    throw new PluginError("manifest", `Cannot pack a plugin: ${error.message}; shorten it`, { cause: error });
  }
}

/** Such as the one that the plugin is signed with: once published, it is everybody's. */
function isPrivateKey(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1", 0, 100);
  return /^\s*-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(start);
}

async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
