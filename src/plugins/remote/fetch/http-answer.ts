import { quote } from "../../../config/json/values.ts";
import type { FetchBudget } from "./budget.ts";
import { FetchError } from "../../failure/failure.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_SHOWN = 1000; // characters of a URL
const MAX_REASON = 60; // characters of the words beside a status
const SLOW_DOWN = new Set([408, 425, 429]);
// Hosts of applications with one page answer with it whatever is asked for, and sign-in pages come with status 200.
const NEVER_HTML = /\.([cm]?[jt]sx?|jsonc?|sql|css|lock|tgz|gz|toml|ya?ml|csv)$/i;
const START_OF_HTML = /^\s*(<!doctype html|<html)\b/i;
const LOOKED_AT = 256; // bytes

/** A file that is asked for. */
export interface HttpRequest {
  readonly url: URL;
  /** What its bytes are taken from. */
  readonly budget: FetchBudget;
  /** Who wants it, for errors: `which "run.ts" imports`; null for a user. */
  readonly reason: string | null;
}

/** A file as a host gave it. */
export interface HttpFile {
  readonly kind: "file";
  readonly url: URL;
  readonly content: Uint8Array;
  /** Media type in lower case without parameters; "" when the host gives none. */
  readonly type: string;
}

/** Where a host says that a file is. */
export interface HttpRedirect {
  readonly kind: "redirect";
  readonly url: URL;
}

/** What the errors of a request call it. */
export function toSubject({ url, reason }: Pick<HttpRequest, "url" | "reason">): string {
  const shown = new URL(url);
  shown.username = shown.password = "";
  const { href } = shown;
  const text = href.length > MAX_SHOWN ? `${href.slice(0, MAX_SHOWN)}…` : href;
  return reason === null ? `"${text}"` : `"${text}", ${reason}`;
}

/**
 * Reads what a host has answered.
 *
 * @param subject what errors call it
 * @throws FetchError for anything but a whole file or a redirect
 */
export async function readAnswer(
  response: Response,
  request: HttpRequest,
  subject: string,
): Promise<HttpFile | HttpRedirect> {
  const { status, statusText, headers } = response;
  if (REDIRECTS.has(status)) {
    const url = URL.parse(headers.get("location") ?? "", request.url);
    if (url === null || !headers.has("location")) {
      throw new FetchError(`Cannot fetch ${subject}: its host redirects to nowhere (${status})`, { status });
    }
    url.hash = "";
    await response.body?.cancel();
    return { kind: "redirect", url };
  }
  if (status !== 200) {
    const isTransient = status >= 500 || SLOW_DOWN.has(status);
    const state = `its host answered ${`${status} ${statusText.slice(0, MAX_REASON)}`.trim()}${toAdvice(status, request)}`;
    throw new FetchError(`Cannot fetch ${subject}: ${state}`, { status, isTransient });
  }
  const encoding = headers.get("content-encoding") ?? "identity";
  // Some hosts say so of an archive, whose own form it is.
  const isItsForm = /gzip$/i.test(encoding) && request.url.pathname.endsWith("gz");
  if (encoding !== "identity" && !isItsForm) {
    const state = `its host sends it as ${quote(encoding)}, which was not asked for`;
    throw new FetchError(`Cannot fetch ${subject}: ${state}; switch that off at the host`);
  }
  const type = (headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  return { kind: "file", url: request.url, content: await readBody(response, request, subject), type };
}

/** @throws FetchError when a host has answered with a page where the file's ending promises something else */
export function assertNoPage(file: HttpFile, request: Pick<HttpRequest, "url" | "reason">): void {
  if (!NEVER_HTML.test(request.url.pathname)) return;
  const start = new TextDecoder().decode(file.content.subarray(0, LOOKED_AT));
  if (file.type !== "text/html" && !START_OF_HTML.test(start)) return;
  const advice = "see in a browser what is there";
  throw new FetchError(`Cannot fetch ${toSubject(request)}: its host answered with an HTML page; ${advice}`);
}

async function readBody(response: Response, { budget }: HttpRequest, subject: string): Promise<Uint8Array> {
  const header = response.headers.get("content-length");
  const length = header !== null && /^\d+$/.test(header) ? Number(header) : null;
  if (length !== null) budget.assertBytes(length, subject);
  const chunks: Uint8Array[] = [];
  let count = 0;
  for await (const chunk of response.body ?? []) {
    budget.takeBytes(chunk.length, subject);
    count += chunk.length;
    chunks.push(chunk);
  }
  if (length !== null && count !== length) {
    const state = `${count} bytes came in place of ${length}`;
    throw new FetchError(`Cannot fetch ${subject}: ${state}`, { isTransient: true });
  }
  return Buffer.concat(chunks);
}

function toAdvice(status: number, { url, reason }: HttpRequest): string {
  const isImport = reason?.endsWith("imports") ?? false;
  const hasEnding = /\.[^./]+$/.test(url.pathname);
  if (status === 404 && isImport && !hasEnding) return "; imports by URL need the whole name of the file";
  return "";
}
