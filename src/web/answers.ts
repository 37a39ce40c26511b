import { type Context, ElysiaCustomStatusResponse } from "elysia";
import { toJsonPage } from "../db/paging/unread-page.ts";
import { knownRequestId, makeRequestId } from "./request-ids.ts";

export { isEventStream, type StreamKeeper, toEndable } from "./open-streams.ts";

type Json = Record<string, unknown>;
type MarkedSet = Context["set"] & { [WHOLE]?: Response };

/** An answer that is made once it is known which request it answers. */
export abstract class LateAnswer {
  abstract toResponse(request: Request): Response;
}

// JSON is no document: it can't be framed, and nothing is navigated to from it.
const DOCUMENT_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["x-frame-options", "SAMEORIGIN"],
  ["referrer-policy", "strict-origin-when-cross-origin"],
];
const REQUEST_ID = "x-request-id";
// Kept, with the id of the latest: Bun copies the headers of a Response faster than it makes some of an object, and
// looking at those of an answer, to add one, takes as long as all the rest of it.
const JSON_INIT = new Response(null, {
  headers: { "content-type": "application/json;charset=utf-8", "x-content-type-options": "nosniff" },
});
const JSON_HEADERS = JSON_INIT.headers;
/** The answer that has all that was set: Elysia would make another one of it, once more with all that. See patches/. */
const WHOLE = Symbol.for("xcore/answer");
/** What `toFullAnswer` sets itself; cookies are several of one name. */
const OWN_HEADER = /^(?:content-type|x-content-type-options|x-request-id|set-cookie)$/i;
const DATE_DEPTH = 4; // levels of arrays and objects: { items: [{ author: { created_at } }] }

/** Requests whose answers are for who asks alone. */
const privateRequests = new WeakSet<Request>();
/** Requests whose refusals are noted nowhere. */
const probes = new WeakSet<Request>();
/** What such answers set as a cookie, by their requests. */
const cookies = new WeakMap<Request, string>();
/** Below these everything is about somebody, or for administrators. */
const PRIVATE_PATH = /^\/(?:auth|admin|system)(?:\/|$)/;

/** What `toJsonAnswer` made last: it has all headers of every answer. Any other answer is looked at. */
let latest: Response | null = null;
let latestId = "";

/**
 * Answers with an object or array as Elysia would, in less time; undefined for any other value, and for what a handler has set that isn't
 * simple: a cookie, a status by its name, a header that each answer has.
 */
export function toJsonAnswer(value: object, set: Context["set"], request: Request): Response | undefined {
  const { status, headers } = set;
  if (typeof status !== "number" || set.cookie !== undefined || !areSimple(headers)) return undefined;
  if (isPlain(value)) return toFullAnswer(value, { status, set, headers }, request);
  if (!(value instanceof ElysiaCustomStatusResponse)) return undefined;
  const body: unknown = value.response;
  if (typeof body !== "object" || body === null || !isPlain(body)) return undefined;
  return toFullAnswer(body, { status: Number(value.code), set, headers }, request);
}

type SimpleHeaders = Readonly<Record<string, string>>;

/** Whether these are texts, and none of those that `toFullAnswer` gives each answer. */
function areSimple(headers: Context["set"]["headers"]): headers is SimpleHeaders {
  for (const name in headers) {
    if (typeof headers[name] !== "string" || OWN_HEADER.test(name)) return false;
  }
  return true;
}

/** Answers with all headers that every answer has, and with what its handler has set. */
function toFullAnswer(
  value: object,
  {
    status,
    set,
    headers,
  }: { readonly status: number; readonly set: Context["set"]; readonly headers: SimpleHeaders },
  request: Request,
): Response {
  const json = toFastJson(value);
  const id = knownRequestId(request) ?? makeRequestId();
  JSON_HEADERS.set(REQUEST_ID, id);
  const answer = Response.json(json, status === 200 ? JSON_INIT : { headers: JSON_HEADERS, status });
  for (const name in headers) answer.headers.set(name, headers[name] as string);
  (set as MarkedSet)[WHOLE] = answer;
  latest = answer;
  latestId = id;
  return latest;
}

/** Returns the id that an answer has been given, null for one without. */
export function givenIdOf(answer: Response | undefined): string | null {
  return answer !== undefined && answer === latest ? latestId : null;
}

/** Returns how long the body of an answer is, in bytes; null where nobody has said so. */
export function lengthOf(answer: Response | undefined): number | null {
  if (answer === undefined || answer === latest) return null;
  const length = answer.headers.get("content-length");
  return length === null || !/^\d{1,15}$/.test(length) ? null : Number(length);
}

/** Writes an object as JSON.stringify does, in less time where it has dates. */
export function toJsonText(value: object): string {
  return JSON.stringify(withDatesAsText(value, 1));
}

/** Returns what JSON.stringify makes the same text of, in less time. */
function toFastJson(value: object): object {
  return toJsonPage(value) ?? withDatesAsText(value, 1);
}

/**
 * Moves what a handler has set beside its Response into that: Elysia would make another one of it, which forgets what
 * type its body is of. A header of the Response's own wins, as with Elysia.
 */
export function mergeHeaders({ headers }: Response, set: Context["set"]): void {
  if (set.status !== 200 || set.cookie !== undefined || isEmpty(set.headers)) return;
  try {
    for (const [name, value] of Object.entries(set.headers)) {
      if (name === "set-cookie") for (const cookie of [value].flat()) headers.append(name, String(cookie));
      else if (!headers.has(name)) headers.set(name, String(value));
    }
    set.headers = {};
  } catch {
    // Those of some can't be changed (Fetch: "immutable"): they say what type they are of.
  }
}

/** Adds the headers of every answer, to a copy where the response's own can't be changed (Fetch: "immutable"). */
export function withHeaders(response: Response, requestId: string): Response {
  try {
    addHeaders(response, requestId);
    return response;
  } catch {
    const copy = new Response(response.body, response);
    addHeaders(copy, requestId);
    return copy;
  }
}

/**
 * Returns a response that `fetch` gave without the headers of a body that it has already decoded (Fetch
 * standard), so that it can be passed on; undefined for any other response.
 */
export function withoutEncoding(response: Response): Response | undefined {
  if (response.url === "" || !response.headers.has("content-encoding")) return undefined;
  const headers = new Headers(response.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/**
 * Reports what a streaming handler throws after its first piece: the status has been sent by then, and Elysia
 * prints the error to the console and ends the response.
 */
export function followStream(stream: object, report: (error: unknown) => void): void {
  if (!isIterator(stream)) return;
  const next = stream.next.bind(stream);
  let isFirst = true;
  const end = (error: unknown) => {
    report(error);
    return { done: true, value: undefined };
  };
  stream.next = () => {
    // What fails before the first piece can still be answered with a status.
    if (isFirst) {
      isFirst = false;
      return next();
    }
    try {
      const result = next();
      return result instanceof Promise ? result.catch(end) : result;
    } catch (error) {
      return end(error);
    }
  };
}

/** Whether JSON holds the value as it is: an object literal, or an array. */
export function isPlain({ constructor }: object): boolean {
  return constructor === Object || constructor === Array;
}

function addHeaders(response: Response, requestId: string): void {
  if (response === latest && requestId === latestId) return;
  const { headers } = response;
  headers.set(REQUEST_ID, requestId);
  if (response !== latest) addSecurityHeaders(headers);
}

/** Adds the headers that harden a response in the browser, except those that its handler has set itself. */
function addSecurityHeaders(headers: Headers): void {
  headers.set("x-content-type-options", "nosniff");
  const type = headers.get("content-type");
  if (type?.startsWith("application/json") === true) return;
  // What Elysia says of a stream of text, which is UTF-8.
  if (type === "text/plain") headers.set("content-type", "text/plain;charset=utf-8");
  for (const [name, value] of DOCUMENT_HEADERS) {
    if (!headers.has(name)) headers.set(name, value);
  }
}

/** Puts the text that JSON has for a date in its place, in copies: one Date, and all of it is slow to be stringified. */
function withDatesAsText(value: object, depth: number): object {
  return Array.isArray(value) ? mapItems(value as unknown[], depth) : mapProperties(value as Json, depth);
}

function mapItems(items: readonly unknown[], depth: number): readonly unknown[] {
  let copy: unknown[] | null = null;
  for (const [index, item] of items.entries()) {
    const text = toDateText(item, depth);
    if (text !== item) (copy ??= [...items])[index] = text;
  }
  return copy ?? items;
}

function mapProperties(value: Json, depth: number): Json {
  if (typeof value["toJSON"] === "function") return value;
  let copy: Json | null = null;
  // A quarter of the time that Object.entries() takes.
  for (const key in value) {
    const item = value[key];
    const text = toDateText(item, depth);
    if (text !== item && Object.hasOwn(value, key)) (copy ??= { ...value })[key] = text;
  }
  return copy ?? value;
}

function toDateText(item: unknown, depth: number): unknown {
  if (typeof item !== "object" || item === null) return item;
  if (item.constructor !== Date)
    return depth < DATE_DEPTH && isPlain(item) ? withDatesAsText(item, depth + 1) : item;
  return Number.isNaN((item as Date).getTime()) ? null : (item as Date).toISOString();
}

function isEmpty(headers: object): boolean {
  for (const _ in headers) return false;
  return true;
}

function isIterator(value: object): value is { next: () => unknown } {
  return "next" in value && typeof value.next === "function";
}

/** Notes that what a request is answered with is for who asks alone: no cache keeps it, unless its handler says so. */
export function markPrivate(request: Request): void {
  privateRequests.add(request);
}

/** Notes that the server makes a request itself to find out whether its client may make it: a refusal is none of the client's. */
export function markProbe(request: Request): void {
  probes.add(request);
}

/** Whether the server has made a request to find out whether its client may make it. */
export function isProbe(request: Request): boolean {
  return probes.has(request);
}

/** Has the answer to a request set a cookie, whatever its handler answers: no cache keeps it then. */
export function setCookie(request: Request, cookie: string): void {
  privateRequests.add(request);
  cookies.set(request, cookie);
}

/** Has the answer to `to` set the cookie that the one to `from` sets, which the server has made for it. */
export function passCookie(from: Request, to: Request): void {
  const cookie = cookies.get(from);
  if (cookie !== undefined) setCookie(to, cookie);
}

/**
 * Adds what keeps a private answer out of caches, where its handler has said nothing (RFC 9111, 5.2.2.5), and
 * its cookie.
 *
 * @param path of a request to the core; null for one to a plugin
 */
export function forbidStoring(request: Request, path: string | null, response: Response): void {
  if (!privateRequests.has(request) && (path === null || !PRIVATE_PATH.test(path))) return;
  const { headers } = response;
  const cookie = cookies.get(request);
  if (cookie !== undefined) headers.append("set-cookie", cookie);
  if (cookie !== undefined || !headers.has("cache-control")) headers.set("cache-control", "no-store");
}

/** Returns what an answer is made of that comes in pieces. Asks for the next piece once there is room for it: a client that doesn't read holds one. */
export function toByteStream(pieces: AsyncGenerator<string | Uint8Array>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
      },
      async cancel() {
        await pieces.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
