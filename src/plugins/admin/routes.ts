import { Elysia, t } from "elysia";
import { assertMayChangeCode } from "../../accounts/admin/code-changes.ts";
import { assertPermission, type Guards } from "../../accounts/identity/guards.ts";
import type { Origin, Principal } from "../../accounts/identity/principal.ts";
import { BY_SESSION } from "../../accounts/identity/session-owner.ts";
import type { HookBus } from "../../hooks/bus.ts";
import type { PluginManager } from "../manager.ts";
import {
  answerSettings,
  describePlugin,
  PluginDetails,
  PluginPreview,
  PluginSettings,
  PluginSummary,
  previewPlugin,
  summarizePlugin,
} from "./answers.ts";
import { type PluginChange, PluginVerbs, type PluginVerbsOptions } from "./administration.ts";
import { PluginSettingsDesk, type PluginSettingsOptions } from "./settings.ts";
import type { PluginRecord } from "../inventory/record.ts";

export interface PluginRoutesOptions extends PluginVerbsOptions, PluginSettingsOptions {
  readonly hooks: HookBus;
  readonly guards: Guards;
  readonly originOf: (request: Request) => Origin;
  /** Finds out anew who makes a request. @throws AppError authentication_error */
  readonly identifyAgain: (request: Request) => Promise<Principal>;
}

const MAX_URL = 2048; // characters
const Name = t.Object({ name: t.String({ maxLength: 255 }) });
const Url = t.String({ minLength: 1, maxLength: MAX_URL });
const Place = t.Object({
  url: t.Optional(Url),
  urls: t.Optional(t.Array(Url, { minItems: 1, maxItems: 16, description: "Mirrors, instead of url" })),
  integrity: t.Optional(t.String({ pattern: "^sha256-[A-Za-z0-9+/]{43}=$", description: "What it must be" })),
  dry_run: t.Boolean({ default: false, description: "Tell what it is, and change nothing" }),
});
/** Who may add code may do everything: a plugin can. */
const CODE = { permission: "*" } as const;
const READ = { permission: "plugins:read" } as const;
const SWITCH = { permission: "plugins:switch" } as const;
const CODE_RULE =
  "It takes `*` and a session, no API key; who has two factors gives a code first at `POST /auth/otp/verify`.";

/** Serves what is known of the plugins below `/system/plugins`, and what administrators do to them. */
export function pluginRoutes(options: PluginRoutesOptions) {
  const verbs = new PluginVerbs(options);
  return new Elysia({ name: "xcore/plugins", prefix: "/system/plugins", detail: { tags: ["system"] } })
    .use(listRoutes(verbs, options))
    .use(settingsRoutes(verbs, options))
    .use(changeRoutes(verbs, options));
}

/** What there is, and more of it. */
function listRoutes(verbs: PluginVerbs, { manager, guards, hooks, ...who }: PluginRoutesOptions) {
  const toDetails = (record: PluginRecord) => describePlugin(record, hooks, manager.list());
  return new Elysia({ name: "xcore/plugins/list" })
    .use(guards)
    .get("", ({ query }) => listPlugins(manager, query), {
      ...READ,
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
    .post(
      "",
      async ({ body, status, ...context }) => {
        const change = toCodeChange(context, who, { isDryRun: body.dry_run });
        const prepared = await verbs.prepare(body, change, context.request.signal);
        if (body.dry_run) return previewPlugin(prepared, await verbs.compareJobs(prepared), manager.list());
        const record = await verbs.install(prepared, change);
        return status(prepared.isListed ? 200 : 201, await toDetails(record));
      },
      {
        ...CODE,
        // It fetches, and writes config.json; done again, it pins what is there now.
        idempotent: { transaction: false },
        body: Place,
        response: { 200: t.Union([PluginDetails, PluginPreview]), 201: PluginDetails },
        detail: {
          ...BY_SESSION,
          summary: "Add a plugin from a URL, pinned to what is there now, or tell what it is",
          description:
            "It is written into plugins.remote of config.json. 201 when it is new, 200 when its pin was replaced, " +
            `and 200 with a preview for dry_run. ${CODE_RULE}`,
        },
      },
    )
    .get("/:name", ({ params }) => toDetails(verbs.find(params.name)), {
      ...READ,
      params: Name,
      response: { 200: PluginDetails },
      detail: { summary: "One plugin, with its routes and hooks" },
    });
}

/** What one is set to. */
function settingsRoutes(verbs: PluginVerbs, options: PluginRoutesOptions) {
  const desk = new PluginSettingsDesk(options);
  return new Elysia({ name: "xcore/plugins/settings" })
    .use(options.guards)
    .get(
      "/:name/settings",
      ({ params, set }) => {
        const record = verbs.find(params.name);
        const { version, ...described } = desk.describe(record);
        set.headers["etag"] = version;
        return answerSettings(record, { version, ...described });
      },
      {
        permission: "config:read",
        params: Name,
        response: { 200: PluginSettings },
        detail: { summary: "The settings of a plugin, with secrets masked, and where each is set" },
      },
    )
    .put(
      "/:name/settings",
      async ({ params, body, set, ...context }) => {
        const record = verbs.find(params.name);
        const ifMatch = context.request.headers.get("if-match");
        const described = await desk.change(record, body.settings, {
          ...toCodeChange(context, options),
          ifMatch,
        });
        set.headers["etag"] = described.version;
        return answerSettings(verbs.find(params.name), described);
      },
      {
        ...CODE,
        params: Name,
        headers: t.Object({
          "if-match": t.Optional(
            t.String({ description: "The etag of what was read: 412 when it has changed" }),
          ),
        }),
        body: t.Object({
          settings: t.Record(t.String(), t.Unknown(), {
            description:
              "All of them: what is as it was stays as it is written, what isn't sent is its default",
          }),
        }),
        response: { 200: PluginSettings },
        detail: {
          ...BY_SESSION,
          summary: "Set the settings of a plugin in config.json, and load it with them",
          description:
            "Comments and layout of the file stay. Where the plugin can't be loaded with them, `failure` says why, " +
            `and what served goes on. ${CODE_RULE}`,
        },
      },
    );
}

/** What happens to one that is there. */
function changeRoutes(verbs: PluginVerbs, { manager, guards, hooks, ...who }: PluginRoutesOptions) {
  const describe = async (record: Promise<PluginRecord>) =>
    describePlugin(await record, hooks, manager.list());
  const by = (context: Parameters<typeof toChange>[0]) => toChange(context, who);
  const toVerb = (summary: string, hide: boolean) => ({
    ...SWITCH,
    params: Name,
    response: { 200: PluginDetails },
    detail: { summary, hide },
  });
  const disabled = (c: DisableContext) =>
    describe(verbs.disable(c.params.name, { withDependents: isAsked(c.query.with_dependents) }, by(c)));
  // One for each route: Elysia takes the guard out of the options that it is given. POST does the same, untold.
  const enable = (hide = false) => toVerb("Enable a plugin, in its plugin.json or in config.json", hide);
  const disable = (hide = false) => ({
    ...toVerb("Disable a plugin, in its plugin.json or in config.json", hide),
    query: t.Object({
      with_dependents: t.Optional(
        t.Union([t.BooleanString(), t.Literal("")], {
          description: "Disable the plugins that depend on it too; without it, there mustn't be any",
        }),
      ),
    }),
  });
  const reload = (hide = false) => toVerb("Load a plugin anew", hide);
  return new Elysia({ name: "xcore/plugins/changes" })
    .use(guards)
    .put("/:name/enable", (c) => describe(verbs.enable(c.params.name, by(c))), enable())
    .post("/:name/enable", (c) => describe(verbs.enable(c.params.name, by(c))), enable(true))
    .put("/:name/disable", disabled, disable())
    .post("/:name/disable", disabled, disable(true))
    .put("/:name/reload", (c) => describe(verbs.reload(c.params.name, by(c))), reload())
    .post("/:name/reload", (c) => describe(verbs.reload(c.params.name, by(c))), reload(true))
    .delete(
      "/:name",
      async ({ params, query, status, ...context }) =>
        status(204, await verbs.remove(params.name, query, toCodeChange(context, who))),
      {
        ...CODE,
        params: Name,
        query: t.Object({
          purge: t.BooleanString({ default: false, description: "Drop its tables too, with all their rows" }),
        }),
        response: { 204: t.Void() },
        detail: {
          ...BY_SESSION,
          summary: "Remove a plugin's files, or its entry in config.json; with ?purge=true its tables too",
          description: CODE_RULE,
        },
      },
    );
}

type DisableContext = Asking & {
  readonly params: { readonly name: string };
  readonly query: { readonly with_dependents?: boolean | "" };
};

type Who = Pick<PluginRoutesOptions, "originOf" | "identifyAgain" | "store">;
type Asking = { readonly user: PluginChange["actor"]; readonly request: Request };

function toChange({ user: actor, request }: Asking, { originOf, identifyAgain }: Who): PluginChange {
  const assertAllowed = async (): Promise<void> =>
    assertPermission(await identifyAgain(request), SWITCH.permission);
  return { actor, origin: originOf(request), assertAllowed };
}

function toCodeChange(asking: Asking, who: Who, { isDryRun = false } = {}): PluginChange {
  const { identifyAgain, store } = who;
  const assertAllowed = async (): Promise<void> =>
    assertMayChangeCode(store, await identifyAgain(asking.request), { isDryRun });
  return { ...toChange(asking, who), assertAllowed };
}

function isAsked(flag: boolean | "" | undefined): boolean {
  return flag === true || flag === "";
}

function listPlugins(
  manager: PluginManager,
  query: { active_only?: boolean | ""; page: number; per_page: number },
) {
  const records = manager.list().filter((record) => !isAsked(query.active_only) || record.isActive);
  const start = (query.page - 1) * query.per_page;
  return {
    items: records.slice(start, start + query.per_page).map(summarizePlugin),
    page: query.page,
    per_page: query.per_page,
    total: records.length,
  };
}
