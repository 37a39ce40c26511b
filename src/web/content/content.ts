import { isFresh } from "../../storage/serving/byte-ranges.ts";
import { chooseCoding, type Coding, compress, LEAST_BYTES, toTag } from "./codings.ts";

/** Of an answer, in small letters. */
type ContentHeaders = Readonly<Record<string, string>>;

/**
 * A content that is the same for everybody, compressed once. Nothing in it is anybody's secret, so that how well it is
 * compressed tells nothing.
 */
export class Content {
  readonly #headers: ContentHeaders;
  readonly #version: string;
  readonly #size: number;
  /** That by gzip is kept in place of the content itself, which hardly anybody asks for. */
  readonly #forms = new Map<Coding, Uint8Array<ArrayBuffer>>();

  constructor(text: string, headers: ContentHeaders) {
    const bytes = new TextEncoder().encode(text);
    this.#headers = { ...headers, vary: "accept-encoding" };
    this.#version = Bun.hash(bytes).toString(36);
    this.#size = bytes.length;
    this.#forms.set("gzip", compress(bytes, "gzip"));
  }

  /** What is in it, in a few characters. */
  get version(): string {
    return this.#version;
  }

  /** Answers a GET with the form that the client takes, and with 304 where it has that. @param more headers of this answer */
  answer(request: Request, more: ContentHeaders = {}): Response {
    const coding = this.#size < LEAST_BYTES ? null : chooseCoding(request);
    const headers: Record<string, string> = { ...this.#headers, ...more, etag: toTag(this.#version, coding) };
    if (isFresh(request.headers, { etag: headers["etag"] ?? "", "last-modified": "" })) {
      delete headers["content-type"];
      return new Response(null, { status: 304, headers });
    }
    if (coding !== null) headers["content-encoding"] = coding;
    return new Response(this.#form(coding), { headers });
  }

  #form(coding: Coding | null): Uint8Array<ArrayBuffer> {
    const known = coding === null ? undefined : this.#forms.get(coding);
    if (known !== undefined) return known;
    const bytes = Bun.gunzipSync(this.#forms.get("gzip") ?? new Uint8Array());
    if (coding === null) return bytes;
    const made = compress(bytes, coding);
    this.#forms.set(coding, made);
    return made;
  }
}

/** Reads a script or style that pages load; in the executable it is compressed. */
export async function readAsset(path: string): Promise<string> {
  const bytes = await Bun.file(path).bytes();
  return new TextDecoder().decode(path.endsWith(".gz") ? Bun.gunzipSync(bytes) : bytes);
}
