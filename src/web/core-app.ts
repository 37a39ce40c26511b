import { type AnyElysia, Elysia } from "elysia";
import { docsRoutes } from "./docs-page.ts";
import { type ErrorAnswer, toElysiaErrorHandler } from "./error-answers.ts";
import { type HealthCheck, healthRoutes } from "./health.ts";
import { InFlight } from "./in-flight.ts";
import type { Mount } from "./mounts.ts";
import { createOpenApiDocument, type DocumentedApp } from "./openapi.ts";
import { fillPage, HOME_PAGE, toPageResponse } from "./pages.ts";

export interface CoreAppOptions {
  readonly appName: string;
  readonly version: string;
  /** Public address of the server for the OpenAPI document, null when it isn't configured. */
  readonly publicUrl: string | null;
  readonly checks: Readonly<Record<string, HealthCheck>>;
  /** Routes of the other slices of the core. */
  readonly slices: readonly AnyElysia[];
  /** The apps of the plugins that serve now. */
  readonly pluginApps: () => Iterable<DocumentedApp>;
  readonly answerError: ErrorAnswer;
}

/** Builds what the core itself serves: home page, docs, OpenAPI document, health, and the given slices. */
export function createCoreMount(options: CoreAppOptions): Mount & { readonly app: AnyElysia } {
  const { appName, version, answerError } = options;
  const home = fillPage(HOME_PAGE, { app_name: appName, version });
  const info = { title: appName, version, url: options.publicUrl };
  const app: AnyElysia = new Elysia({ name: "xcore/core" })
    .onError(toElysiaErrorHandler(() => app, answerError, null))
    .get("/", () => toPageResponse(home), { detail: { hide: true } })
    .get(
      "/openapi.json",
      () => createOpenApiDocument([{ name: "core", app }, ...options.pluginApps()], info),
      { detail: { hide: true } },
    )
    .use(docsRoutes({ appName }))
    .use(healthRoutes({ version, checks: options.checks }));
  for (const slice of options.slices) app.use(slice);
  app.compile();
  return { app, prefix: "", plugin: null, fetch: (request) => app.fetch(request), inFlight: new InFlight() };
}
