import type { AnyElysia } from "elysia";
import type { ParseHook } from "./input/bodies.ts";
import { describeApp, type Fragment, joinFragments, type OpenApiInfo } from "./openapi/document.ts";
import { keepingOf } from "./idempotency/idempotent-routes.ts";
import type { DescribedRoute } from "./openapi/operations.ts";
import { gatesOf, limitingOf, listRoutes, modelsOf, type ServedRoute } from "./routes.ts";

/** An app whose routes are documented; `name` sets its models apart from those of the other apps. */
export interface DocumentedApp {
  readonly name: string;
  readonly app: AnyElysia;
}

type Schemas = Readonly<Record<string, unknown>>;

/** Not those of apps that are gone: nothing of an app is in its fragment. */
const described = new WeakMap<AnyElysia, Fragment>();

/** Returns what gives the OpenAPI 3.1 document of all apps that serve, which is built anew when there are others. */
export function createOpenApi(
  { core, plugins }: { core: DocumentedApp; plugins: () => Iterable<DocumentedApp> },
  info: OpenApiInfo,
): () => Record<string, unknown> {
  let known: { readonly fragments: readonly Fragment[]; readonly document: Record<string, unknown> } | null =
    null;
  return () => {
    const fragments = [core, ...plugins()].map(describe);
    if (known !== null && isSame(known.fragments, fragments)) return known.document;
    const [first, ...others] = fragments as [Fragment, ...Fragment[]];
    const document = joinFragments(first, others, info);
    known = { fragments, document };
    return document;
  };
}

function isSame(some: readonly Fragment[], others: readonly Fragment[]): boolean {
  return some.length === others.length && some.every((one, index) => one === others[index]);
}

function describe({ name, app }: DocumentedApp): Fragment {
  const found = described.get(app);
  if (found !== undefined) return found;
  const routes = listRoutes(app).filter(({ hooks }) => hooks.detail?.hide !== true);
  const fragment = describeApp(name, { routes: routes.map(toDescribed), models: modelsOf(app) });
  described.set(app, fragment);
  return fragment;
}

function toDescribed(route: ServedRoute): DescribedRoute {
  const { method, path, handler, hooks } = route;
  const { standaloneValidator = [] } = hooks as { standaloneValidator?: readonly Schemas[] };
  const all = [hooks as Schemas, ...standaloneValidator];
  const of = (part: string): unknown[] => all.flatMap((schemas) => schemas[part] ?? []);
  const parsers = [hooks.parse ?? []].flat() as ParseHook[];
  return {
    method,
    path,
    handler,
    detail: hooks.detail,
    schemas: {
      params: of("params"),
      query: of("query"),
      headers: of("headers"),
      cookie: of("cookie"),
      body: of("body"),
      response: of("response"),
    },
    parsers: parsers.flatMap(({ fn, named }) => named ?? (typeof fn === "string" ? fn : [])),
    locks: gatesOf(route).flatMap(({ lock }) => lock ?? []),
    key: keyOf(route),
    limit: limitingOf(gatesOf(route))?.limit ?? null,
  };
}

function keyOf(route: ServedRoute): DescribedRoute["key"] {
  const keeping = keepingOf(route);
  if (keeping === null) return "none";
  return keeping.options.required === true ? "required" : "optional";
}
