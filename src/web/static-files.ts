import { realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { AppError } from "../errors/app-error.ts";

const CACHE_CONTROL = "public, max-age=0, must-revalidate";
const RANGE = /^bytes=(\d*)-(\d*)$/;

/**
 * Answers a GET or HEAD for a file below `directory`, with an entity tag, 304 for what the client has
 * (RFC 9110, 13) and single byte ranges (14). Hidden files, and links that lead out, are not found.
 *
 * @param path URL path below the directory, still percent-encoded
 * @throws AppError not_found
 */
export async function serveFile(directory: string, path: string, request: Request): Promise<Response> {
  const found = await findFile(directory, path);
  if (found === null) throw new AppError("not_found", 404, "Nothing is served at this path");
  const { size, mtimeMs } = found.stats;
  const etag = `W/"${size.toString(36)}-${Math.trunc(mtimeMs).toString(36)}"`;
  const headers: Record<string, string> = {
    etag,
    "last-modified": new Date(mtimeMs).toUTCString(),
    "cache-control": CACHE_CONTROL,
    "accept-ranges": "bytes",
  };
  if (matchesTag(request.headers.get("if-none-match"), etag)) {
    return new Response(null, { status: 304, headers });
  }
  const file = Bun.file(found.file);
  headers["content-type"] = file.type;
  const range = toRange(request.headers.get("range"), size);
  if (range === null) return new Response(file, { headers });
  if (range === "unsatisfiable") {
    return new Response(null, { status: 416, headers: { "content-range": `bytes */${size}` } });
  }
  headers["content-range"] = `bytes ${range.start}-${range.end - 1}/${size}`;
  return new Response(file.slice(range.start, range.end), { status: 206, headers });
}

async function findFile(directory: string, path: string) {
  const relative = decodePath(path);
  if (relative === null || relative.split("/").some((part) => part.startsWith("."))) return null;
  try {
    const root = await realpath(directory);
    const file = await realpath(join(root, relative));
    if (!file.startsWith(root + sep)) return null;
    const stats = await stat(file);
    return stats.isFile() ? { file, stats } : null;
  } catch {
    return null;
  }
}

function decodePath(path: string): string | null {
  try {
    const decoded = decodeURIComponent(path);
    return decoded.includes("\0") || decoded.includes("\\") ? null : decoded;
  } catch {
    return null;
  }
}

function matchesTag(header: string | null, etag: string): boolean {
  if (header === null) return false;
  if (header.trim() === "*") return true;
  const bare = etag.replace("W/", "");
  return header.split(",").some((tag) => tag.trim().replace("W/", "") === bare);
}

function toRange(
  header: string | null,
  size: number,
): { start: number; end: number } | "unsatisfiable" | null {
  const match = header === null ? null : RANGE.exec(header);
  if (match === null || (match[1] === "" && match[2] === "")) return null;
  const [, first = "", last = ""] = match;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  return start >= size || start >= end ? "unsatisfiable" : { start, end };
}
