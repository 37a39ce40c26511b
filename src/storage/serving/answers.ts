import { fail } from "../../errors/codes.ts";
import type { Backend, Content } from "../contract/backend.ts";
import type { StoredFile } from "../contract/stored-file.ts";
import { toDisposition } from "../content/names.ts";
import { isFresh, toRange, type Version } from "./byte-ranges.ts";
import type { Thumbnails } from "./thumbnails.ts";

/** How a file is answered with. */
export interface AnswerOptions {
  /** A smaller image in the place of the file, such as "200x200". @default the file itself */
  readonly thumb?: string | undefined;
  /** Has browsers save it also where they could show it. @default false */
  readonly download?: boolean | undefined;
  /** How long the client may use it without asking again, in seconds. @default 0 */
  readonly maxAge?: number;
}

/** What of a file is sent. */
interface Sent {
  readonly type: string;
  readonly size: number;
  readonly etag: string;
  read(range: { readonly start: number; readonly end: number } | null): Promise<Content | null>;
}

/** Types that a browser shows, and that can't hold script: the others it saves. */
const SHOWN =
  /^(?:image\/(?:png|jpeg|gif|webp|avif|bmp|x-icon)|audio\/(?:mpeg|mp4|ogg|opus|wav|flac|webm)|video\/(?:mp4|webm|ogg)|text\/plain)$/;
const TEXT = /^text\//;
/** Whatever a browser makes of it: it runs nothing, loads nothing, and belongs to no origin. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/**
 * Answers a request with a file, with an entity tag, 304 for what the client has (RFC 9110, 13) and single byte ranges (14).
 *
 * @throws AppError not_found where its content is gone, range_not_satisfiable, image_refused
 */
export async function answerWith(
  file: StoredFile,
  request: Request,
  {
    backend,
    thumbnails,
    thumb,
    download = false,
    maxAge = 0,
  }: AnswerOptions & { readonly backend: Backend; readonly thumbnails: Thumbnails },
): Promise<Response> {
  const whole = toWhole(file, backend);
  const version = {
    etag: thumb === undefined ? whole.etag : `"${file.hash.slice(0, 32)}-${thumb}"`,
    "last-modified": file.created_at.toUTCString(),
  };
  const headers = toHeaders(version, maxAge);
  if (isFresh(request.headers, version)) return new Response(null, { status: 304, headers });
  const sent = thumb === undefined ? whole : await toThumbnail(file, thumb, thumbnails);
  const isShown = SHOWN.test(sent.type) && !download;
  headers["content-type"] = TEXT.test(sent.type) ? `${sent.type};charset=utf-8` : sent.type;
  headers["content-disposition"] = toDisposition(isShown ? "inline" : "attachment", file.name);
  const range = toRange(request, version, sent.size);
  const length = range === null ? sent.size : range.end - range.start;
  if (range !== null) headers["content-range"] = `bytes ${range.start}-${range.end - 1}/${sent.size}`;
  const status = range === null ? 200 : 206;
  if (request.method === "HEAD") {
    headers["content-length"] = String(length);
    return new Response(null, { status, headers });
  }
  const body = await sent.read(range);
  if (body === null) throw fail("not_found", "The content of this file is gone");
  // Of a stream nobody knows how long it is.
  if (!(body instanceof Blob)) headers["content-length"] = String(length);
  return new Response(body, { status, headers });
}

function toHeaders(version: Version, maxAge: number): Record<string, string> {
  return {
    ...version,
    "accept-ranges": "bytes",
    "cache-control": maxAge > 0 ? `private, max-age=${Math.floor(maxAge)}` : "private, no-cache",
    "content-security-policy": POLICY,
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
  };
}

function toWhole({ id, type, size, hash }: StoredFile, backend: Backend): Sent {
  return { type, size, etag: `"${hash.slice(0, 32)}"`, read: (range) => backend.read(id, range) };
}

async function toThumbnail(file: StoredFile, thumb: string, thumbnails: Thumbnails): Promise<Sent> {
  const bytes = await thumbnails.get(file, thumb);
  return {
    type: "image/webp",
    size: bytes.byteLength,
    etag: "",
    read: async (range) => new Blob([range === null ? bytes : bytes.subarray(range.start, range.end)]),
  };
}
