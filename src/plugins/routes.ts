import { Elysia, t } from "elysia";
import type { createGuards } from "../auth/guards.ts";
import type { Origin } from "../auth/principal.ts";
import type { HookBus } from "../hooks/bus.ts";
import type { PluginManager } from "./manager.ts";
import { type PluginChange, PluginVerbs, type PluginVerbsOptions } from "./plugin-verbs.ts";
import type { PluginRecord } from "./record.ts";

const Failure = t.Object({
  stage: t.String({ description: "manifest, dependencies, bundle, migrate, import or setup" }),
  message: t.String(),
  file: t.Nullable(t.String({ description: "File of the plugin that is at fault" })),
  line: t.Nullable(t.Integer()),
});

const PluginSummary = t.Object({
  name: t.String(),
  version: t.Nullable(t.String()),
  description: t.Nullable(t.String()),
  author: t.Nullable(t.String()),
  state: t.UnionEnum(["loading", "serving", "failed", "disabled"]),
  active: t.Boolean({ description: "What the manifest asks for" }),
  serving: t.Boolean({ description: "Whether a generation serves now; true with failed: the last good one" }),
  failure: t.Nullable(Failure),
  api_prefix: t.Nullable(t.String()),
  tags: t.Array(t.String()),
  dependencies: t.Record(t.String(), t.String()),
  source: t.String({ description: "Folder or file that it is loaded from" }),
  generation: t.Nullable(t.Integer({ description: "Counts up with each attempt to load" })),
  hash: t.Nullable(t.String({ description: "SHA-256 of the sources that serve" })),
  load_ms: t.Nullable(t.Number()),
  loaded_at: t.Nullable(
    t.String({ format: "date-time", description: "When the serving generation was loaded" }),
  ),
});

const PluginDetails = t.Composite([
  PluginSummary,
  t.Object({
    permissions: t.Record(t.String(), t.String()),
    routes: t.Array(t.Object({ method: t.String(), path: t.String() })),
    hooks: t.Array(t.Object({ event: t.String(), order: t.String() })),
  }),
]);

export interface PluginRoutesOptions extends PluginVerbsOptions {
  readonly hooks: HookBus;
  readonly guards: ReturnType<typeof createGuards>;
  readonly originOf: (request: Request) => Origin;
}

const Name = t.Object({ name: t.String({ maxLength: 255 }) });
const GUARD = { permission: "system:plugins" } as const;

/** Serves what is known of the plugins below `/system/plugins`, and what administrators do to them. */
export function pluginRoutes(options: PluginRoutesOptions) {
  const { manager, hooks, guards, originOf, toDisplayPath } = options;
  const verbs = new PluginVerbs(options);
  const toDetails = (record: PluginRecord) => describePlugin(record, hooks, toDisplayPath);
  const describe = async (record: Promise<PluginRecord>) => toDetails(await record);
  const toChange = ({ user, request }: { user: PluginChange["actor"]; request: Request }): PluginChange => ({
    actor: user,
    origin: originOf(request),
  });
  const toVerb = (summary: string) => ({
    ...GUARD,
    params: Name,
    response: { 200: PluginDetails },
    detail: { summary },
  });
  // One for each route: Elysia takes the guard out of the options that it is given.
  const enable = () => toVerb("Enable a plugin, in its plugin.json");
  const disable = () => toVerb("Disable a plugin, in its plugin.json");
  const reload = () => toVerb("Load a plugin anew");
  return new Elysia({ name: "xcore/plugins", prefix: "/system/plugins", detail: { tags: ["system"] } })
    .use(guards)
    .get("", ({ query }) => listPlugins(manager, query, toDisplayPath), {
      ...GUARD,
      // Without a value, `?active_only`, it is asked for too.
      query: t.Object({
        active_only: t.Optional(t.Union([t.BooleanString(), t.Literal("")])),
        page: t.Integer({ minimum: 1, default: 1 }),
        per_page: t.Integer({ minimum: 1, maximum: 100, default: 20 }),
      }),
      response: t.Object({
        items: t.Array(PluginSummary),
        page: t.Integer(),
        per_page: t.Integer(),
        total: t.Integer(),
      }),
      detail: { summary: "All plugins, in order of name" },
    })
    .get("/:name", ({ params }) => toDetails(verbs.find(params.name)), {
      ...GUARD,
      params: Name,
      response: { 200: PluginDetails },
      detail: { summary: "One plugin, with its routes and hooks" },
    })
    .put("/:name/enable", (c) => describe(verbs.setActive(c.params.name, true, toChange(c))), enable())
    .post("/:name/enable", (c) => describe(verbs.setActive(c.params.name, true, toChange(c))), enable())
    .put("/:name/disable", (c) => describe(verbs.setActive(c.params.name, false, toChange(c))), disable())
    .post("/:name/disable", (c) => describe(verbs.setActive(c.params.name, false, toChange(c))), disable())
    .put("/:name/reload", (c) => describe(verbs.reload(c.params.name, toChange(c))), reload())
    .post("/:name/reload", (c) => describe(verbs.reload(c.params.name, toChange(c))), reload())
    .delete(
      "/:name",
      async ({ params, query, status, ...context }) =>
        status(204, await verbs.remove(params.name, query, toChange(context))),
      {
        ...GUARD,
        params: Name,
        query: t.Object({
          purge: t.BooleanString({ default: false, description: "Drop its tables too, with all their rows" }),
        }),
        response: { 204: t.Void() },
        detail: { summary: "Remove a plugin's files, and with ?purge=true its tables" },
      },
    );
}

function isAsked(flag: boolean | "" | undefined): boolean {
  return flag === true || flag === "";
}

function listPlugins(
  manager: PluginManager,
  query: { active_only?: boolean | ""; page: number; per_page: number },
  toDisplayPath: (file: string) => string,
) {
  const records = manager
    .list()
    .filter((record) => !isAsked(query.active_only) || record.manifest?.active !== false);
  const start = (query.page - 1) * query.per_page;
  return {
    items: records
      .slice(start, start + query.per_page)
      .map((record) => summarizePlugin(record, toDisplayPath)),
    page: query.page,
    per_page: query.per_page,
    total: records.length,
  };
}

/** What the list of plugins says of one. */
export function summarizePlugin(record: PluginRecord, toDisplayPath: (file: string) => string) {
  const { manifest, current, failure, state } = record;
  return {
    name: record.name,
    version: manifest?.version ?? null,
    description: manifest?.description ?? null,
    author: manifest?.author ?? null,
    state,
    active: manifest?.active ?? true,
    serving: current !== null,
    failure:
      failure === null
        ? null
        : { stage: failure.stage, message: failure.message, file: failure.file, line: failure.line },
    api_prefix: manifest?.api_prefix ?? null,
    tags: [...(manifest?.tags ?? [])],
    dependencies: { ...manifest?.dependencies },
    source: toDisplayPath(record.source.path),
    generation: current?.number ?? null,
    hash: current?.hash ?? null,
    load_ms: current === null ? null : Math.round(current.loadMs * 10) / 10,
    loaded_at: current?.loadedAt.toISOString() ?? null,
  };
}

function describePlugin(record: PluginRecord, hooks: HookBus, toDisplayPath: (file: string) => string) {
  const listened = hooks.list({ source: record.name });
  return {
    ...summarizePlugin(record, toDisplayPath),
    permissions: { ...record.manifest?.permissions },
    routes: listRoutes(record),
    hooks: listened.map(({ event, order }) => ({ event, order })),
  };
}

/** The routes that a plugin serves now. */
export function listRoutes(record: PluginRecord): { method: string; path: string }[] {
  const routes = record.current?.app.router.history ?? [];
  return routes
    .filter((route) => route.hooks?.detail?.hide !== true)
    .map(({ method, path }) => ({ method, path }));
}
