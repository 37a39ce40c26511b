import { realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { fail } from "../errors/codes.ts";
import type { LRUCache } from "lru-cache";
import {
  chooseCoding,
  type Coding,
  compressLater,
  isCompressible,
  LEAST_BYTES,
  toTag,
} from "./content/codings.ts";
import { isFresh, toRange } from "../storage/serving/byte-ranges.ts";

const CACHE_CONTROL = "public, max-age=0, must-revalidate";
const MOST_BYTES = 4_194_304; // of a file that is compressed
const KEPT_BYTES = 16_777_216; // of one plugin's, as they were before
/** What operating systems leave behind in folders. */
const METADATA = new Set(["thumbs.db", "desktop.ini", "__macosx"]);

/** Answers with files of one folder. */
export type FileServer = (path: string, request: Request) => Promise<Response>;

/**
 * Returns what answers a GET or HEAD for a file below `directory`, with an entity tag, 304 for what the client has
 * (RFC 9110, 13) and single byte ranges (14), which are of the file as it is; whole files are compressed, once for as long as
 * they stay the same. Hidden files, and links that lead out, are not found.
 *
 * @returns takes the URL path below the directory, still percent-encoded; throws AppError not_found, range_not_satisfiable
 */
export function createFileServer(directory: string): FileServer {
  const compressed = new CompressedFiles();
  return async (path, request) => {
    const found = await findFile(directory, path);
    if (found === null) throw fail("not_found", "Nothing is served at this path");
    const { size, mtimeMs } = found.stats;
    const file = Bun.file(found.file);
    const type = withCharset(file.type);
    const mayShrink = isCompressible(type) && size >= LEAST_BYTES && size <= MOST_BYTES;
    const coding = mayShrink && !request.headers.has("range") ? chooseCoding(request) : null;
    const etag = toTag(`${size.toString(36)}-${Math.trunc(mtimeMs * 1000).toString(36)}`, coding);
    const version = { etag, "last-modified": new Date(mtimeMs).toUTCString() };
    const headers: Record<string, string> = {
      ...version,
      "cache-control": CACHE_CONTROL,
      "accept-ranges": "bytes",
      ...(mayShrink && { vary: "accept-encoding" }),
    };
    if (isFresh(request.headers, version)) return new Response(null, { status: 304, headers });
    headers["content-type"] = type;
    if (coding !== null) {
      headers["content-encoding"] = coding;
      return new Response(await compressed.get(found.file, { etag, coding, size }), { headers });
    }
    const range = toRange(request, version, size);
    if (range === null) return new Response(file, { headers });
    headers["content-range"] = `bytes ${range.start}-${range.end - 1}/${size}`;
    return new Response(file.slice(range.start, range.end), { status: 206, headers });
  };
}

/** Files as they were compressed, those that were asked for last. */
class CompressedFiles {
  #kept: LRUCache<string, Promise<Uint8Array<ArrayBuffer>>> | null = null;

  /** @param form `etag` names the version of the file, which has `size` bytes, and the coding */
  async get(
    file: string,
    { etag, coding, size }: { readonly etag: string; readonly coding: Coding; readonly size: number },
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { LRUCache } = await import("lru-cache");
    const kept = (this.#kept ??= new LRUCache({ maxSize: KEPT_BYTES }));
    const key = `${file} ${etag}`;
    const known = kept.get(key);
    if (known !== undefined) return known;
    const made = Bun.file(file)
      .bytes()
      .then((bytes) => compressLater(bytes, coding));
    kept.set(key, made, { size });
    made.catch(() => kept.delete(key));
    return made;
  }
}

async function findFile(directory: string, path: string) {
  try {
    const name = decodeURIComponent(path);
    const isUnsafe = name.includes("\0") || name.includes("\\");
    if (isUnsafe || name.split("/").some(isHidden)) return null;
    const root = await realpath(directory);
    const file = await realpath(join(root, name));
    if (!file.startsWith(root + sep)) return null;
    const stats = await stat(file);
    return stats.isFile() ? { file, stats } : null;
  } catch {
    return null;
  }
}

function isHidden(part: string): boolean {
  return part.startsWith(".") || METADATA.has(part.toLowerCase());
}

function withCharset(type: string): string {
  return type.startsWith("text/") && !type.includes("charset") ? `${type};charset=utf-8` : type;
}
