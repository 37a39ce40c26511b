import { t } from "elysia";
import type { HookBus } from "../../hooks/bus.ts";
import { WaitingFit } from "../../jobs/admin/desk.ts";
import { redactText } from "../../log/redact.ts";
import { describeMissing, findUndeclaredPermissions, permissionsBy } from "../inventory/mistakes.ts";
import type { PluginRecord } from "../inventory/record.ts";
import type { PreparedPlugin } from "../remote/installer.ts";
import type { RouteSurface } from "../source/surface.ts";
import { readExcerpt } from "./excerpt.ts";
import type { DescribedSettings } from "./settings.ts";

const Failure = t.Object({
  stage: t.String({
    description: "fetch, manifest, dependencies, install, bundle, migrate, import, settings or setup",
  }),
  message: t.String(),
  file: t.Nullable(t.String({ description: "File of the plugin that is at fault" })),
  line: t.Nullable(t.Integer()),
  retry_at: t.Nullable(
    t.String({ format: "date-time", description: "When it is tried again: the reason is a passing one" }),
  ),
});

const Remote = t.Object({
  urls: t.Array(t.String(), {
    description: "Where it is fetched from, in the order in which they are tried",
  }),
  integrity: t.Nullable(t.String({ description: "What it is pinned to" })),
});

/** What the list of plugins says of one. */
export const PluginSummary = t.Object({
  name: t.String(),
  version: t.Nullable(t.String()),
  description: t.Nullable(t.String()),
  author: t.Nullable(t.String()),
  state: t.UnionEnum(["fetching", "installing", "loading", "serving", "failed", "disabled"]),
  active: t.Boolean({ description: "What the manifest asks for, and plugins.remote" }),
  serving: t.Boolean({ description: "Whether a generation serves now; true with failed: the last good one" }),
  failure: t.Nullable(Failure),
  api_prefix: t.Nullable(t.String()),
  tags: t.Array(t.String()),
  dependencies: t.Record(t.String(), t.String()),
  source: t.String({ description: "Folder, file or URL that it is loaded from" }),
  remote: t.Nullable(Remote),
  generation: t.Nullable(t.Integer({ description: "Counts up with each attempt to load" })),
  hash: t.Nullable(t.String({ description: "SHA-256 of the sources that serve" })),
  load_ms: t.Nullable(t.Number()),
  loaded_at: t.Nullable(
    t.String({ format: "date-time", description: "When the serving generation was loaded" }),
  ),
});

const Names = t.Array(t.String());

const Route = t.Object({
  method: t.String({ description: "ALL for every method, WS for a WebSocket" }),
  path: t.String(),
  guards: t.Array(
    t.Union([
      t.Object({ auth: t.Literal(true) }),
      t.Object({ optional_auth: t.Literal(true) }),
      t.Object({ permission: t.String() }),
      t.Object({ role: t.String() }),
    ]),
    { description: "All of them must let a request through; none: it is open to everybody" },
  ),
});

/** All that is said of one plugin. */
export const PluginDetails = t.Composite([
  PluginSummary,
  t.Object({
    permissions: t.Record(t.String(), t.String()),
    warnings: t.Array(t.String(), {
      description: "Routes whose guard asks for a permission that no plugin declares",
    }),
    routes: t.Array(Route),
    hooks: t.Array(t.Object({ event: t.String(), order: t.String() })),
    tables: t.Array(t.String()),
    excerpt: t.Nullable(t.Array(t.Object({ line: t.Integer(), text: t.String() })), {
      description: "The lines of its source around the place where it has failed",
    }),
  }),
]);

/** What is told of a plugin before it is pinned. */
export const PluginPreview = t.Object({
  inspection: t.Object({
    name: t.String(),
    version: t.String(),
    description: t.Nullable(t.String()),
    author: t.Nullable(t.String()),
    location: t.String({ description: "Where it was found" }),
    integrity: t.String(),
    signers: t.Array(t.String(), { description: "Keys that have signed it" }),
    entry: t.String(),
    api_prefix: t.String(),
    modules: t.Integer({ description: "Number of its files that hold code" }),
    files: t.Integer({ description: "Number of all its files" }),
    size: t.Integer({ description: "Bytes of all its files" }),
    hosts: t.Array(t.String(), { description: "Hosts that it comes from" }),
    permissions: t.Record(t.String(), t.String()),
    dependencies: t.Record(t.String(), t.String()),
    packages: t.Record(t.String(), t.String(), { description: "npm packages that it needs" }),
    surface: t.Nullable(
      t.Object({
        routes: t.Array(Route),
        hooks: Names,
        permissions: Names,
        tables: Names,
        jobs: t.Optional(t.Array(t.Object({ name: t.String(), payload: t.Optional(t.Unknown()) }))),
      }),
      { description: "What it declares that it registers; null: that is known once it runs" },
    ),
    migrations: t.Object({ sqlite: Names, postgres: Names, mysql: Names }),
  }),
  warnings: t.Array(t.String(), { description: "Plugins that it depends on and that are missing" }),
  replaces: t.Boolean({ description: "Whether config.json lists a plugin of this name" }),
  changes: t.Nullable(
    t.Array(
      t.Object({
        what: t.String(),
        name: t.Nullable(t.String()),
        before: t.Nullable(t.Union([t.String(), t.Number()])),
        after: t.Nullable(t.Union([t.String(), t.Number()])),
      }),
      { description: "What differs from the version that is pinned now; null without one" },
    ),
  ),
  waiting_jobs: t.Nullable(WaitingFit, {
    description: "How its jobs that wait fit it; null when no plugin of this name is listed",
  }),
});

const Setting = t.Object({
  key: t.String({ description: "Such as mail.host" }),
  path: Names,
  value: t.Optional(t.Unknown({ description: "What counts; of secrets ***" })),
  default: t.Optional(t.Unknown({ description: "What counts where nothing sets it" })),
  source: t.String({
    description:
      "default, manifest, flag, environment, .env, plugin config, or the file with line and column",
  }),
  where: t.String({ description: "For people: the variable, or the line of the file" }),
  is_locked: t.Boolean({ description: "Set by a variable or a flag, which config.json doesn't change" }),
  is_secret: t.Boolean(),
});

/** The settings of a plugin, and how it does with them. */
export const PluginSettings = t.Object({
  name: t.String(),
  state: PluginSummary.properties.state,
  serving: PluginSummary.properties.serving,
  failure: PluginSummary.properties.failure,
  schema: t.Unknown({
    description: "JSON Schema of the settings; null where the plugin declares none, or has never run",
  }),
  settings: t.Record(t.String(), t.Unknown(), {
    description: "All that count, with *** for secrets: what is sent back as it is stays as it is",
  }),
  items: t.Array(Setting, { description: "Each of them, and where it is set" }),
});

/** Says what the list of plugins says of one. */
export function summarizePlugin(record: PluginRecord) {
  const { manifest, current, failure, state, source } = record;
  const { remote } = source;
  return {
    name: record.name,
    version: manifest?.version ?? null,
    description: manifest?.description ?? null,
    author: manifest?.author ?? null,
    state,
    active: record.isActive,
    serving: current !== null,
    failure:
      failure === null
        ? null
        : {
            stage: failure.stage,
            message: failure.message,
            file: failure.file,
            line: failure.line,
            retry_at: record.retryAt?.toISOString() ?? null,
          },
    api_prefix: manifest?.api_prefix ?? null,
    tags: [...(manifest?.tags ?? [])],
    dependencies: { ...manifest?.dependencies },
    source: redactText(source.shown),
    remote: remote && { urls: remote.places.map(redactText), integrity: remote.integrity },
    generation: current?.number ?? null,
    hash: current?.hash ?? null,
    load_ms: current === null ? null : Math.round(current.loadMs * 10) / 10,
    loaded_at: current?.loadedAt.toISOString() ?? null,
  };
}

/** Says what a plugin is set to. */
export function answerSettings(record: PluginRecord, { schema, settings, items }: DescribedSettings) {
  const { name, state, serving, failure } = summarizePlugin(record);
  return { name, state, serving, failure, schema, settings, items };
}

/** Says all that is known of a plugin. */
export async function describePlugin(record: PluginRecord, hooks: HookBus, records: readonly PluginRecord[]) {
  const listened = hooks.list({ source: record.name });
  const surface = record.current?.surface;
  return {
    ...summarizePlugin(record),
    permissions: { ...permissionsBy(record) },
    warnings: findUndeclaredPermissions(record, records),
    routes: toRoutes(surface?.routes ?? []),
    hooks: listened.map(({ event, order }) => ({ event, order })),
    tables: [...(surface?.tables ?? [])],
    excerpt: await readExcerpt(record),
  };
}

/** Says what is known of a plugin before it is pinned. */
export function previewPlugin(
  { inspection, isListed, changes }: PreparedPlugin,
  waitingJobs: WaitingFit | null,
  records: readonly PluginRecord[],
) {
  const { signers, hosts, surface, migrations } = inspection;
  const { sqlite, postgres, mysql } = migrations;
  return {
    inspection: {
      ...inspection,
      signers: [...signers],
      hosts: [...hosts],
      surface: surface && {
        routes: toRoutes(surface.routes),
        hooks: [...surface.hooks],
        permissions: [...surface.permissions],
        tables: [...surface.tables],
        ...(surface.jobs && { jobs: [...surface.jobs] }),
      },
      migrations: { sqlite: [...sqlite], postgres: [...postgres], mysql: [...mysql] },
    },
    warnings: describeMissing([inspection], records.flatMap(toKnown), () => "enable it"),
    replaces: isListed,
    changes: changes && [...changes],
    waiting_jobs: waitingJobs,
  };
}

function toKnown({ name, manifest, isActive }: PluginRecord) {
  return manifest === null ? [] : { name, version: manifest.version, isActive };
}

function toRoutes(routes: readonly RouteSurface[]) {
  return routes.map(({ method, path, guards }) => ({ method, path, guards: [...guards] }));
}
