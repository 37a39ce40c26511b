import type { AnyElysia, ComposedHandler, InternalRoute } from "elysia";
import { composeHandler } from "elysia/compose";
import { sucrose } from "elysia/sucrose";
import { Kind } from "@sinclair/typebox";
import { json } from "elysia/utils";
import { isTypeBoxSchema, partsOf, TAKES_FILE } from "../errors/plain-schema.ts";
import {
  checkAgain,
  counterOf,
  type FollowRequest,
  type Gate,
  gatesOf,
  limitingOf,
  lookAgain,
  mayProveByBody,
} from "./admission.ts";
import { closeUnread, isWithBody } from "./body-limit.ts";
import type { TransactionOwner } from "../db/transactions/owner.ts";
import { keepingOf, toKept } from "./idempotency/idempotent-routes.ts";
import { createBodyReader, type ParseHook, toBoundParser } from "./input/bodies.ts";
import { normalize } from "./input/cleaner.ts";
import { parseJson } from "./input/json-depth.ts";
import { endAnswer, type OpenStreams } from "./open-streams.ts";
import { checkReads } from "./input/own-reads.ts";
import { closestPattern, slashForms } from "./path-patterns.ts";
import { pathOf } from "./request-path.ts";

export { gatesOf, limitingOf, toPreparedHook } from "./admission.ts";
export type { CheckedContext, FollowAccess, FollowRequest, Preparation } from "./admission.ts";

type RouteHandler = (context: { request: Request }) => unknown;

const HOST = Symbol("host");

// Of cookies and of messages; what is nested too deep stays text. See patches/.
json.parse = parseJson;

/**
 * Lets the routes of an app that hooks want prepared be prepared, before anything of theirs runs. A hook couldn't
 * wait without making a promise of every answer: Elysia composes one handler of a route and its hooks, so it is
 * that handler which waits.
 *
 * A request with a body is checked before its body is read, and prepared and checked again once it is there: a body
 * takes as long as its sender likes. For an app that has all of its routes and isn't compiled yet.
 *
 * @param streams get the streams that are answered with
 * @param owner of the transactions that requests are answered in; null for the core
 */
export function prepareRoutes(app: AnyElysia, streams: OpenStreams, owner: TransactionOwner | null): void {
  const { history, http } = app.router;
  const handlers = new Map<string, ComposedHandler>();
  for (const route of history) {
    const gates = gatesOf(route);
    const [first] = gates;
    if (first === undefined && keepingOf(route) === null) continue;
    const parts = { gates, refuse: toRefusal(app, route), streams, owner };
    const handle =
      first !== undefined && hasNoBody(route)
        ? toPreparedHandler(route, first, parts)
        : toGatedHandler(route, parts);
    route.composed = handle;
    handlers.set(`${route.method} ${route.path}`, handle);
  }
  for (const [method, path, store] of http.deferred) {
    const handle = handlers.get(`${method} ${path}`);
    if (handle !== undefined) store.handler = handle;
  }
}

/** Elysia reads no body for these methods. */
function hasNoBody({ method }: InternalRoute): boolean {
  return method === "GET" || method === "HEAD" || method === "WS";
}

/** Returns what follows the open requests of a route; null for one that lets everybody in. */
export function followerOf(route: Pick<InternalRoute, "hooks">): FollowRequest | null {
  const gates = gatesOf(route);
  const follow = gates[0]?.follow;
  if (follow === undefined) return null;
  return (request, end) =>
    follow(request, {
      end,
      check() {
        for (const { run } of gates) run({ request });
      },
    });
}

/** Returns what follows the request that becomes a WebSocket, null where its route lets everybody in. */
export function followerOfSocket(app: AnyElysia, request: Request): FollowRequest | null {
  const found = findRoute(app, request, "WS") ?? findRoute(app, request);
  return found === null ? null : followerOf(found.route);
}

/** What the handler of a route with gates is made of. */
interface GateParts {
  readonly gates: readonly Gate[];
  readonly refuse: Refusal;
  readonly streams: OpenStreams;
  /** Of the transactions that requests with a key are answered in. */
  readonly owner: TransactionOwner | null;
}

/** Whether the route of a request limits its clients of itself. */
export function limitsItself(app: AnyElysia, request: Request): boolean {
  const found = findRoute(app, request);
  return found !== null && limitingOf(gatesOf(found.route)) !== null;
}

/** Whether the route of a request takes files in a form. */
export function takesFiles(app: AnyElysia, request: Request): boolean {
  const hooks = findRoute(app, request)?.route.hooks;
  return hooks !== undefined && takesFile(bodySchemaOf(app, hooks), new Set());
}

/** @param seen what was looked at: a schema may contain itself */
function takesFile(schema: unknown, seen: Set<unknown>): boolean {
  if (!isTypeBoxSchema(schema) || seen.has(schema)) return false;
  seen.add(schema);
  const isFile = schema[Kind] === "File" || schema[Kind] === "Files" || schema[TAKES_FILE] === true;
  return isFile || partsOf(schema).some((part) => takesFile(part, seen));
}

function toPreparedHandler(
  route: InternalRoute,
  { prepare }: Gate,
  { gates, refuse, streams }: GateParts,
): ComposedHandler {
  const handle = toEnding(
    route,
    toCompiled(route, () => preparing),
    streams,
  );
  const count = counterOf(gates, route);
  const enter: RouteHandler = (context) => {
    try {
      count(context.request);
    } catch (error) {
      return refuse(context, error);
    }
    return handle(context);
  };
  const preparing = ((context) => {
    const waiting = prepare(context.request);
    return waiting === null ? enter(context) : waiting.then(() => enter(context));
  }) as RouteHandler as ComposedHandler;
  return preparing;
}

/** Checks at the headers: what is refused there isn't read. */
function toGatedHandler(route: InternalRoute, { gates, refuse, streams, owner }: GateParts): ComposedHandler {
  const isParsed = checkAgain(route);
  const compiled = toCompiled(route, () => gated);
  const handle = toKept(route, toEnding(route, compiled, streams), { refuse, owner });
  const count = counterOf(gates, route);
  const enter: RouteHandler = (context) => {
    const { request } = context;
    try {
      count(request);
      for (const { run } of gates) run(context);
    } catch (error) {
      if (!isParsed || !mayProveByBody(gates, request)) return refuse(context, error);
    }
    if (!isParsed && isWithBody(request)) checkReads(request, () => lookAgain(gates, context));
    return handle(context);
  };
  const gated = ((context) => {
    const waiting = gates[0]?.prepare(context.request) ?? null;
    return waiting === null ? enter(context) : waiting.then(() => enter(context));
  }) as RouteHandler as ComposedHandler;
  return gated;
}

type Refusal = (context: { request: Request }, error: unknown) => unknown;

/** Answers what a check refuses as the route would answer it, with its own hooks for errors, and reads no body. */
function toRefusal(app: AnyElysia, { path, hooks }: InternalRoute): Refusal {
  const errors = new WeakMap<Request, unknown>();
  let compiled: RouteHandler | null = null;
  const refuse = ({ request }: { request: Request }): never => {
    throw errors.get(request);
  };
  const compile = (): RouteHandler => {
    const { error, mapResponse, afterResponse, trace } = hooks ?? {};
    const given = Object.fromEntries(
      Object.entries({ error, mapResponse, afterResponse, trace }).filter(([, hook]) => hook !== undefined),
    );
    const composed: unknown = composeHandler({
      app,
      path,
      method: "GET",
      hooks: given,
      validator: {},
      handler: refuse,
      inference: app["inference"],
    });
    return composed as RouteHandler;
  };
  return async (context, error) => {
    const { request } = context;
    errors.set(request, error);
    const answer = await (compiled ??= compile())(context);
    if (answer instanceof Response) closeUnread(request, answer);
    return answer;
  };
}

/** A `mapResponse` of a route's own comes before the host's, and may make a stream of anything: its answer is followed. */
function toEnding(route: InternalRoute, handle: RouteHandler, streams: OpenStreams): RouteHandler {
  const mapping = [route.hooks?.mapResponse ?? []].flat() as { readonly fn: object }[];
  const follow = followerOf(route);
  if (follow === null || mapping.every(({ fn }) => HOST in fn)) return handle;
  const keeper = { streams, follow, isOfEvents: false };
  return async (context) => endAnswer(await handle(context), context.request, keeper);
}

/** Compiles a route when it is first asked for, which leaves `own()` in its place. */
function toCompiled(route: InternalRoute, own: () => ComposedHandler): RouteHandler {
  let compiled: RouteHandler | null = null;
  return (context) => {
    if (compiled === null) {
      compiled = route.compile() as RouteHandler;
      route.composed = own(); // compiling has put the other one there
    }
    return compiled(context);
  };
}

type BodySchemas = readonly { readonly body?: unknown }[];

/**
 * Lets the routes of an app that take a body get it from `createBodyReader`, behind parsers of their own, and has what
 * comes in and goes out cleaned of properties that its schema doesn't name by `normalize`. A route that
 * doesn't look at its body stays without one: its handler may read the request itself. For an app that has all of its
 * routes and isn't compiled yet.
 */
export function readBodies(app: AnyElysia): void {
  Object.assign(app.config, { normalize }); // see patches/
  for (const route of app.router.history) {
    const { method, hooks } = route;
    if (method === "GET" || method === "HEAD" || method === "WS" || hooks === undefined) continue;
    const own = [hooks.parse ?? []].flat() as ParseHook[];
    if (own.some(({ fn }) => fn === "none")) continue;
    const schema = bodySchemaOf(app, hooks);
    const isUnasked = own.length === 0 && schema === undefined;
    const looks = looksOf(app, route);
    if (isUnasked && !looks.body) {
      // Said outright: Elysia guesses from the text of hooks, those of the host too.
      Object.assign(hooks, { parse: [{ fn: "none" }] });
      continue;
    }
    const read = createBodyReader(schema, { mayBeReadAgain: isUnasked && looks.whole });
    const parse = own.map((hook) => toBoundParser(hook, read));
    const isNamed = parse.some((hook, index) => hook !== own[index]);
    Object.assign(hooks, { parse: isNamed ? parse : [...parse, { fn: read }] });
  }
}

/** What the functions of a route look at, as Elysia finds out. */
function looksOf(app: AnyElysia, { handler, hooks }: InternalRoute): ReturnType<typeof sucrose> {
  return sucrose({ handler, ...hooks } as Parameters<typeof sucrose>[0], app["inference"]);
}

function bodySchemaOf(app: AnyElysia, hooks: NonNullable<InternalRoute["hooks"]>): unknown {
  const { body, standaloneValidator = [] } = hooks as {
    body?: unknown;
    standaloneValidator?: BodySchemas;
  };
  const schema = body ?? standaloneValidator.find((validator) => validator.body !== undefined)?.body;
  return typeof schema === "string" ? (modelsOf(app)[schema] ?? schema) : schema;
}

/** Returns the schemas of an app by the names that its routes may give for them. */
export function modelsOf(app: AnyElysia): Readonly<Record<string, unknown>> {
  // Protected, but the one place where they are.
  return (app as unknown as { definitions: { type: Record<string, unknown> } }).definitions.type;
}

/**
 * Appends synchronous hooks to each route of an app, behind its own: on another app around it, Elysia would run them
 * first, and a route's own `onError` would never be asked.
 */
export function appendRouteHooks(
  app: AnyElysia,
  {
    error,
    mapResponse,
    beforeOwn,
  }: {
    readonly error: unknown;
    readonly mapResponse: (route: InternalRoute) => object;
    /** Comes before what a route has itself for its answers, where there is such a thing. */
    readonly beforeOwn: unknown;
  },
): void {
  // Said outright: Elysia guesses from a function's text, and one async hook makes every answer a promise.
  const isAsync = false;
  for (const route of app.router.history) {
    const { hooks } = route;
    const own = [hooks?.mapResponse ?? []].flat();
    route.hooks = {
      ...hooks,
      error: [hooks?.error ?? [], { fn: error, isAsync }].flat(),
      mapResponse: [
        own.length > 0 ? { fn: beforeOwn, isAsync } : [],
        own,
        { fn: Object.assign(mapResponse(route), { [HOST]: true }), isAsync },
      ].flat(),
    };
  }
}

/**
 * Returns the plugins of Elysia that an app was given as promises, null for none. It rejects with what the first of
 * them rejects with: Elysia would print that and go on without the routes.
 */
export function modulesOf(app: AnyElysia): (() => Promise<void>) | null {
  const group = app["promisedModules"];
  if (group.size === 0) return null;
  const failures: unknown[] = [];
  group.onError = (error: unknown) => void failures.push(error);
  return async () => {
    await app.modules;
    if (failures.length > 0) throw failures[0];
  };
}

/** A route as an app serves it. */
export interface ServedRoute {
  /** "GET"; "ALL" for every method, "WS" for a WebSocket. */
  readonly method: string;
  /** Whole, with its prefix: "/blog/:id", "/blog/static/*". */
  readonly path: string;
  /** A function, or what the route always answers. */
  readonly handler: unknown;
  readonly hooks: Partial<InternalRoute["hooks"]>;
}

/** Lists the routes of an app, those that the API documentation hides too. */
export function listRoutes(app: AnyElysia): ServedRoute[] {
  return app.router.history.map(({ method, path, handler, hooks }) => ({
    method,
    path,
    handler,
    hooks: hooks ?? {},
  }));
}

/**
 * Whether hooks of an app can answer requests for any path, also where it has no route: those of `onRequest` and
 * `wrap`, and of `onError` when they are told of paths without a route.
 *
 * @param ownErrorHooks how many hooks of `onError` are the host's
 */
export function answersAnyPath(app: AnyElysia, { ownErrorHooks }: { ownErrorHooks: number }): boolean {
  const { request = [], error = [] } = app.event;
  const wraps = app["extender"].higherOrderFunctions.length;
  return request.length + wraps > 0 || error.length > ownErrorHooks;
}

/** Lists the methods that an app serves a path for, in the order of their names. */
export function methodsOf(app: AnyElysia, path: string): string[] {
  const { http, static: fixed } = app.router;
  const methods = new Set<string>();
  for (const form of slashForms(path)) {
    for (const method of Object.keys(fixed[form] ?? {})) methods.add(method);
    for (const method of Object.keys(http.root)) if (http.find(method, form) !== null) methods.add(method);
  }
  methods.delete("WS"); // not a method: a WebSocket's path
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].toSorted();
}

/** Finds the route that an app serves a request with, and the values in its path. */
export function findRoute(
  app: AnyElysia,
  request: Request,
  as: string = request.method,
): { route: InternalRoute; params: Readonly<Record<string, string>> } | null {
  const { http, static: fixed, history } = app.router;
  const path = pathOf(request.url);
  for (const form of slashForms(path)) {
    const index = fixed[form]?.[as] ?? fixed[form]?.["ALL"];
    if (index !== undefined && history[index] !== undefined) return { route: history[index], params: {} };
  }
  const method = http.find(as, path) === null ? "ALL" : as;
  const found = http.find(method, path);
  const route = closestPattern(
    history.filter((candidate) => candidate.method === method),
    path,
  );
  return found === null || route === undefined ? null : { route, params: found.params };
}
