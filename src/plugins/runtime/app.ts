import { type AnyElysia, type Context, Elysia, ElysiaCustomStatusResponse } from "elysia";
import {
  followStream,
  isEventStream,
  isPlain,
  LateAnswer,
  mergeHeaders,
  toEndable,
  toJsonAnswer,
  withoutEncoding,
} from "../../web/answers.ts";
import { type ErrorAnswer, toElysiaErrorHandler } from "../../web/error-answers.ts";
import type { InFlight } from "../../web/mounts.ts";
import { assertKnownFormats } from "../../sdk/known-formats.ts";
import { assertGuarded, useInPieces } from "../../sdk/router.ts";
import {
  appendRouteHooks,
  followerOf,
  followerOfSocket,
  type FollowRequest,
  limitsItself,
  takesFiles,
  prepareRoutes,
  readBodies,
} from "../../web/routes.ts";
import { nonceOf, toSecurityPolicy } from "../../templates/page.ts";
import { createFileServer } from "../../web/static-files.ts";
import type { TransactionOwner } from "../../db/transactions/owner.ts";
import type { ModuleExports } from "../given/host-modules.ts";
import type { Manifest } from "../source/manifest.ts";

export interface PluginAppOptions {
  readonly manifest: Manifest;
  /** Folder whose files are served below `/static`, null for none. */
  readonly publicDirectory: string | null;
  readonly answerError: ErrorAnswer;
  readonly inFlight: InFlight;
  /** Of the plugin's transactions. */
  readonly transactions: TransactionOwner;
  readonly isOpen: (request: Request) => boolean;
  /** Waits between two pieces of the work: a plugin may have thousands of routes. */
  readonly pause: () => Promise<void>;
}

/** What @elysiajs/html takes for markup; without it, it is sent as plain text. */
const MARKUP = /^\s*</;

type AnswerContext = Pick<Context, "request" | "set"> & { readonly responseValue: unknown };

/**
 * Builds the app of one generation: the plugin's router below its prefix, its errors as problems.
 *
 * @throws TypeError for guards that would do nothing, and formats that would refuse everything
 */
export async function createPluginApp(router: AnyElysia, options: PluginAppOptions): Promise<AnyElysia> {
  const { manifest, publicDirectory, pause } = options;
  const onError = toElysiaErrorHandler(() => app, options.answerError, manifest.name);
  assertGuarded(router);
  assertKnownFormats(router);
  addRouteHooks(router, onError, options);
  const app: AnyElysia = new Elysia({
    name: `xcore-plugin/${manifest.name}`,
    prefix: manifest.api_prefix,
    detail: { tags: [...manifest.tags] },
  });
  await pause();
  await useInPieces(app, router, pause);
  app.onError(onError as never);
  await pause();
  readBodies(app);
  prepareRoutes(app, options.inFlight.streams, options.transactions);
  options.inFlight.followerOf = (request) => followerOfSocket(app, request);
  options.inFlight.limitsItself = (request) => limitsItself(app, request);
  options.inFlight.takesFiles = (request) => takesFiles(app, request);
  if (publicDirectory !== null) {
    const files = `${manifest.api_prefix}/static/`;
    options.inFlight.isFree = (path) => path.startsWith(files); // a page may ask for many
    const serveFile = createFileServer(publicDirectory);
    app.get("/static/*", ({ params, request }) => serveFile(params["*"] ?? "", request), {
      detail: { hide: true },
    });
  }
  await pause();
  return app.compile();
}

/**
 * Returns what a plugin's entry exports as its router: null when it has none, as a plugin of hooks may.
 *
 * @throws TypeError when the default export is something else
 */
export function findRouter(exports: ModuleExports): AnyElysia | null {
  const router = exports["default"];
  if (router instanceof Elysia) return router;
  if (router !== undefined) {
    throw new TypeError(
      `The default export is ${describe(router)}, not a router: write \`export default createRouter()…\``,
    );
  }
  const named = Object.entries(exports).find(([, value]) => value instanceof Elysia);
  if (named === undefined) return null;
  throw new TypeError(`The router is exported as "${named[0]}": write \`export default ${named[0]}\``);
}

/** Has what the routes of a plugin throw and return answered as xcore does, after hooks of their own. */
function addRouteHooks(
  router: AnyElysia,
  onError: ReturnType<typeof toElysiaErrorHandler>,
  { inFlight, isOpen, answerError, manifest }: PluginAppOptions,
): void {
  /** Follows what may go on for long; returns what is answered instead, undefined where that is the value itself. */
  const open = (
    value: object,
    request: Request,
    set: Context["set"],
    follow: FollowRequest | null,
  ): object | undefined => {
    if (!mayStream(value)) return undefined;
    if (request.method === "HEAD" && !(value instanceof Blob)) return toHeadAnswer(value);
    inFlight.followBody(request, isOpen);
    const isOfEvents = "sse" in value || isEventStream(set.headers["content-type"]);
    const report = (error: unknown): void => void answerError(error, request, manifest.name);
    const keeper = { streams: inFlight.streams, follow, isOfEvents, report };
    if (value instanceof Response) {
      const whole = withoutEncoding(value) ?? value;
      const sent = toEndable(whole, request, keeper) ?? whole;
      if (sent instanceof Response) mergeHeaders(sent, set);
      return sent === value ? undefined : sent;
    }
    const opened = toEndable(value, request, keeper);
    followStream(value, report);
    return opened;
  };
  // Destructured: a hook that takes the context as a whole makes Elysia parse everything of each request.
  const toHook =
    (follow: FollowRequest | null) =>
    ({ request, responseValue: value, set }: AnswerContext): unknown => {
      if (typeof value !== "object" || value === null) return undefined;
      const json = toJsonAnswer(value, set, request);
      if (json !== undefined) return json;
      if (value instanceof LateAnswer) {
        const page = value.toResponse(request);
        mergeHeaders(page, set);
        return page;
      }
      if (value instanceof Error) return onError({ error: value, request });
      if (!(value instanceof ElysiaCustomStatusResponse)) return open(value, request, set, follow);
      const body: unknown = value.response;
      if (typeof body === "object" && body !== null)
        Object.assign(value, { response: open(body, request, set, follow) ?? body });
      return undefined;
    };
  const openHook = toHook(null);
  const mapResponse = (route: Parameters<typeof followerOf>[0]) => {
    const follow = followerOf(route);
    return follow === null ? openHook : toHook(follow);
  };
  appendRouteHooks(router, { error: onError, mapResponse, beforeOwn: protectElements });
}

/** Whether a page is made of what a handler answers with, by @elysiajs/html: of elements, or a stream of them. */
function isOfElements(value: unknown): boolean {
  if (typeof value === "string") return MARKUP.test(value);
  return typeof value === "object" && value !== null && "rid" in value && "pipe" in value;
}

/** Such a page may do what one of a template may, unless its handler says what else. */
function protectElements({ request, responseValue, set: { headers } }: AnswerContext): void {
  if (!isOfElements(responseValue) || "content-type" in headers) return;
  headers["content-security-policy"] ??= toSecurityPolicy(nonceOf(request));
}

function mayStream(value: object): boolean {
  if (isPlain(value)) return false;
  return (
    value instanceof Response || value instanceof ReadableStream || value instanceof Blob || "next" in value
  );
}

/** Answers HEAD without the body: Elysia would read it to its end to tell its length, and a stream may have none. */
function toHeadAnswer(value: object): Response {
  const body = value instanceof Response ? value.body : value;
  if (body instanceof ReadableStream && !body.locked) void body.cancel().catch(() => {});
  if ("return" in value && typeof value.return === "function") void value.return();
  const { status = 200, headers = {} } = value instanceof Response ? value : {};
  return new Response(null, { status, headers });
}

function describe(value: unknown): string {
  if (value === null) return "null";
  const type = typeof value;
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}
