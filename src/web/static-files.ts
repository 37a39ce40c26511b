import { realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { fail } from "../errors/codes.ts";
import { isFresh, toRange } from "../storage/serving/byte-ranges.ts";

const CACHE_CONTROL = "public, max-age=0, must-revalidate";
/** What operating systems leave behind in folders. */
const METADATA = new Set(["thumbs.db", "desktop.ini", "__macosx"]);

/**
 * Answers a GET or HEAD for a file below `directory`, with an entity tag, 304 for what the client has
 * (RFC 9110, 13) and single byte ranges (14). Hidden files, and links that lead out, are not found.
 *
 * @param path URL path below the directory, still percent-encoded
 * @throws AppError not_found, range_not_satisfiable
 */
export async function serveFile(directory: string, path: string, request: Request): Promise<Response> {
  const found = await findFile(directory, path);
  if (found === null) throw fail("not_found", "Nothing is served at this path");
  const { size, mtimeMs } = found.stats;
  const file = Bun.file(found.file);
  const version = {
    etag: `"${size.toString(36)}-${Math.trunc(mtimeMs * 1000).toString(36)}"`,
    "last-modified": new Date(mtimeMs).toUTCString(),
  };
  const headers: Record<string, string> = {
    ...version,
    "cache-control": CACHE_CONTROL,
    "accept-ranges": "bytes",
  };
  if (isFresh(request.headers, version)) return new Response(null, { status: 304, headers });
  headers["content-type"] = withCharset(file.type);
  const range = toRange(request, version, size);
  if (range === null) return new Response(file, { headers });
  headers["content-range"] = `bytes ${range.start}-${range.end - 1}/${size}`;
  return new Response(file.slice(range.start, range.end), { status: 206, headers });
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
