import { type AnyElysia, type Context, Elysia } from "elysia";
import { LateAnswer, toJsonAnswer } from "./answers.ts";
import { docsRoutes } from "./docs-page.ts";
import { Content } from "./content/content.ts";
import { type ErrorAnswer, toElysiaErrorHandler } from "./error-answers.ts";
import { createPingCheck, createWriteCheck, type HealthCheck, healthRoutes } from "./health.ts";
import type { Mount } from "./mounts.ts";
import { OpenStreams } from "./open-streams.ts";
import { createOpenApi, type DocumentedApp } from "./openapi.ts";
import { listRoutes, prepareRoutes, readBodies, type ServedRoute } from "./routes.ts";
import { refuseUnknownParameters } from "./unknown-parameters.ts";

export { createPingCheck };

export interface CoreAppOptions {
  readonly appName: string;
  readonly version: string;
  /** Public address of the server for the OpenAPI document, null when it isn't configured. */
  readonly publicUrl: string | null;
  /** Resolves while the database answers. */
  readonly ping: () => Promise<unknown>;
  /** Resolves while the database can be written. */
  readonly probe: () => Promise<unknown>;
  /** Of what else there is. */
  readonly checks: Readonly<Record<string, HealthCheck>>;
  /** Guards of routes. */
  readonly guards: AnyElysia;
  /** Whether the request of a route that asks is an administrator's. */
  readonly isAdministrator: (request: Request) => boolean;
  /** Routes of the other slices of the core. */
  readonly slices: readonly AnyElysia[];
  /** The apps of the plugins that serve now. */
  readonly pluginApps: () => Iterable<DocumentedApp>;
  readonly answerError: ErrorAnswer;
  /** Get the streams that are answered with. @default they end with their requests alone */
  readonly streams?: OpenStreams;
}

/** What the core itself serves. */
export interface CoreApp extends Pick<Mount, "fetch"> {
  /** The OpenAPI 3.1 document of the core and the plugins. */
  openApi(): Record<string, unknown>;
  /** All that it serves. */
  routes(): readonly ServedRoute[];
}

/** Builds what the core itself serves: docs, OpenAPI document, health, and the given slices. */
export function createCoreApp(options: CoreAppOptions): CoreApp {
  const { appName, version, answerError } = options;
  const info = { title: appName, url: options.publicUrl };
  const app: AnyElysia = createOwnApp("xcore/core")
    .onError(toElysiaErrorHandler(() => app, answerError, null))
    .get("/openapi.json", ({ request }) => toContent(openApi()).answer(request), { detail: { hide: true } })
    .use(docsRoutes({ appName }))
    .use(
      healthRoutes({
        version,
        required: {
          database: createPingCheck(options.ping),
          database_writes: createWriteCheck(options.probe),
        },
        others: options.checks,
        guards: options.guards,
        seesDetails: options.isAdministrator,
      }),
    );
  for (const slice of options.slices) app.use(slice);
  // Those who watch a server add what they like.
  refuseUnknownParameters(app, { except: ["/health"] });
  const fetch = toCoreFetch(app, options.streams);
  const openApi = createOpenApi({ core: { name: "core", app }, plugins: options.pluginApps }, info);
  return { openApi, fetch, routes: () => listRoutes(app) };
}

const DOCUMENT_HEADERS = { "content-type": "application/json;charset=utf-8", "cache-control": "no-cache" };
/** Documents of OpenAPI as they are sent: there is another one when what is served has changed. */
const contents = new WeakMap<object, Content>();

function toContent(document: object): Content {
  const known = contents.get(document);
  if (known !== undefined) return known;
  const made = new Content(JSON.stringify(document), DOCUMENT_HEADERS);
  contents.set(document, made);
  return made;
}

/** Makes an app of the core's own, which answers with pages and JSON as all of them do. */
export function createOwnApp(name: string) {
  return new Elysia({ name }).mapResponse(answerJson as never);
}

/** Returns what answers the requests of an app of the core's own that has all of its routes. */
export function toCoreFetch(app: AnyElysia, streams = new OpenStreams()): Mount["fetch"] {
  readBodies(app);
  prepareRoutes(app, streams, null);
  return app.fetch;
}

/** Destructured: a hook that takes the context as a whole makes Elysia parse everything of each request. */
function answerJson({
  request,
  responseValue: value,
  set,
}: Pick<Context, "request" | "set"> & { readonly responseValue: unknown }): Response | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof LateAnswer) return value.toResponse(request);
  return toJsonAnswer(value, set, request);
}
