import { isUtf8 } from "node:buffer";
import { fail } from "../../errors/codes.ts";
import { isTypeBoxSchema } from "../../errors/plain-schema.ts";
import { groupFields, groupPairs, toFields } from "./form-fields.ts";
import { parseJson } from "./json-depth.ts";
import { repeatReads } from "./own-reads.ts";
import { readerOf } from "./text-values.ts";

/** Reads the body of a request of this content type, its parameters left out; undefined when it has none. */
export type BodyReader = (context: { readonly request: Request }, contentType: string) => Promise<unknown>;

/** A hook of a route that reads bodies: a function, or the name of one of Elysia's. */
export interface ParseHook {
  readonly fn: unknown;
  /** The name of Elysia's in whose place the function is. */
  readonly named?: string;
}

const UTF_8 = new Set(["", "utf-8", "utf8", "us-ascii"]);

export interface BodyReaderOptions {
  /** Whether the handler may read the request itself: nobody can tell what becomes of a context that it hands on. */
  readonly mayBeReadAgain: boolean;
}

/**
 * Creates what reads the bodies of one route: as their content type says, or refused with the reason. Elysia looks at
 * one letter of the content type, and drops the bodies of those that it doesn't know.
 *
 * @param schema what the route says of its body, by which fields of forms are read; null when it says nothing
 */
export function createBodyReader(schema: unknown, { mayBeReadAgain }: BodyReaderOptions): BodyReader {
  return async ({ request }, contentType) => {
    assertPlain(request);
    if (mayBeReadAgain) repeatReads(request, await request.bytes());
    const type = contentType.trim().toLowerCase();
    if (type === "application/json" || type.endsWith("+json")) return readJson(request);
    if (type === "multipart/form-data") return toFields(groupFields(await request.formData()), schema);
    if (type === "application/x-www-form-urlencoded") {
      return toFields(groupPairs(await readText(request)), schema);
    }
    if (type === "application/octet-stream") return request.arrayBuffer();
    if (type.startsWith("text/")) return readValue(await readText(request), schema);
    if (type === "") return refuseUnnamed(request);
    throw fail(
      "unsupported_media_type",
      `Cannot read a body of type ${type}: send application/json, a form, text or application/octet-stream`,
    );
  };
}

/** Replaces parsers of Elysia that a route names, such as `parse: "json"`, by those that bound what they read. */
export function toBoundParser(hook: ParseHook, read: BodyReader): ParseHook {
  if (hook.fn === "json" || hook.fn === "application/json") {
    return { fn: ({ request }: { request: Request }) => readJson(request), named: hook.fn };
  }
  if (hook.fn === "formdata" || hook.fn === "multipart/form-data") {
    const readForm = ({ request }: { request: Request }) => read({ request }, "multipart/form-data");
    return { fn: readForm, named: hook.fn };
  }
  return hook;
}

/**
 * Reads a JSON body.
 *
 * @throws AppError nested_too_deep, parse_error, unsupported_media_type
 */
async function readJson(request: Request): Promise<unknown> {
  assertPlain(request);
  const text = await readText(request);
  return text === "" ? undefined : parseJson(text);
}

/** Reads a number or the like; JSON that says it is text isn't read, for any page of the web may send it. */
function readValue(text: string, schema: unknown): unknown {
  const value = isTypeBoxSchema(schema) ? readerOf(schema)?.({ values: [text] }) : undefined;
  return value === undefined || typeof value === "object" ? text : value;
}

/** A body that is packed would be taken for what it isn't (RFC 9110, 8.4); unpacking would let 16 KB become 16 MB. */
function assertPlain({ headers }: Request): void {
  const codings = (headers.get("content-encoding") ?? "").toLowerCase().split(",");
  const unknown = codings
    .map((coding) => coding.trim())
    .find((coding) => coding !== "" && coding !== "identity");
  if (unknown === undefined) return;
  throw fail(
    "unsupported_media_type",
    `Cannot read a body with content-encoding ${unknown}: send it as it is`,
    {
      headers: { "accept-encoding": "identity" },
    },
  );
}

async function readText(request: Request): Promise<string> {
  const charset = charsetOf(request.headers.get("content-type") ?? "");
  const bytes = Buffer.from(await request.arrayBuffer());
  if (!UTF_8.has(charset)) return decode(bytes, charset);
  if (!isUtf8(bytes)) throw fail("parse_error", "Cannot read the body: it is not UTF-8");
  // As TextDecoder and `Request.json()` do with a byte order mark.
  return bytes.toString("utf8", bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
}

/** Decodes another charset than UTF-8, by the labels of the Encoding standard. */
function decode(bytes: Uint8Array, charset: string): string {
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(charset, { fatal: true });
  } catch (cause) {
    const message = `Cannot read a body in charset ${charset}: send UTF-8`;
    throw fail("unsupported_media_type", message, { cause });
  }
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw fail("parse_error", `Cannot read the body: it is not ${charset}`, { cause });
  }
}

function charsetOf(contentType: string): string {
  const start = contentType.indexOf(";");
  if (start === -1) return "";
  return /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType.slice(start))?.[1]?.toLowerCase() ?? "";
}

/** Nobody can tell what a body is that comes without a content type; a body of no bytes is none. */
async function refuseUnnamed(request: Request): Promise<undefined> {
  if (request.body === null || (await request.arrayBuffer()).byteLength === 0) return undefined;
  throw fail("unsupported_media_type", "Cannot read a body without a content-type: send application/json");
}
