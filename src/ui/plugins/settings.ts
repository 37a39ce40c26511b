import { Elysia, t } from "elysia";
import { parseJsonDocument } from "../../config/json/document.ts";
import type { PluginSettings } from "../../plugins/admin/answers.ts";
import type { ApiProblem } from "../shell/api.ts";
import type { Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { type Sent, sentTexts, toFieldsets, toSettings, type Typed } from "./setting-fields.ts";

const LIST = "/ui/plugins";
const Name = t.Object({ name: t.String({ maxLength: 255 }) });

export type Settings = typeof PluginSettings.static;

interface Shown {
  readonly typed?: Typed;
  readonly problem?: ApiProblem | null;
  /** What can't be read of it, by fields. */
  readonly errors?: Readonly<Record<string, string>>;
}

/** The form of a plugin's settings, made of their schema. */
export function settingsRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/plugins/settings", prefix: `${LIST}/:name/settings` })
    .use(ui.guards)
    .get("", async ({ request, params }) => showSettings(ui, request, params.name), {
      auth: true,
      params: Name,
    })
    .post("", ({ request, params, body }) => changeSettings(ui, request, params.name, body), {
      auth: true,
      params: Name,
      body: t.Record(t.String(), t.Any()),
    });
}

function pathOf(name: string): string {
  return `/system/plugins/${encodeURIComponent(name)}/settings`;
}

async function showSettings(ui: Ui, request: Request, name: string, shown: Shown = {}) {
  const { body: about, headers } = await ui.api(request).ask<Settings>("GET", pathOf(name));
  const { typed = null, problem = null, errors = {} } = shown;
  const problems = (problem?.errors ?? []).map(({ path, message }) => [
    path.replace(/^\/body\/settings/, ""),
    message,
  ]);
  const { sets, atFields } = toFieldsets(about, typed, { ...Object.fromEntries(problems), ...errors });
  const others = problems.flatMap(([path, message]) =>
    atFields.has(path ?? "") ? [] : [`${path}: ${message}`],
  );
  const isAtField = atFields.size > 0 && others.length === 0;
  return ui.page(
    request,
    "plugins/settings.html",
    {
      about,
      sets,
      version: headers.get("etag") ?? "",
      problem: problem === null || isAtField ? null : [problem.message, ...others].join("; "),
    },
    problem === null && atFields.size === 0 ? {} : { status: problem?.status ?? 422 },
  );
}

async function changeSettings(ui: Ui, request: Request, name: string, sent: Sent) {
  const about = await ui.api(request).get<Settings>(pathOf(name));
  const typed = sentTexts(about, sent);
  const { settings, errors } = toSettings(about, typed, (json) => parseJsonDocument(json).value);
  if (Object.keys(errors).length > 0) return showSettings(ui, request, name, { typed, errors });
  const page = `${LIST}/${encodeURIComponent(name)}/settings`;
  let after: Settings | null = null;
  return ui.act(request, {
    async call(api) {
      const version = typeof sent["version"] === "string" ? sent["version"] : "";
      after = await api.put<Settings>(pathOf(name), { settings }, { headers: { "if-match": version } });
    },
    done: () => toFlash(after, name),
    to: () => (after?.failure === null ? page : `${LIST}/${encodeURIComponent(name)}`),
    form: page,
    again: (problem) => showSettings(ui, request, name, { typed, problem }),
  });
}

function toFlash(after: Settings | null, name: string) {
  const { failure = null, serving = false } = after ?? {};
  if (failure === null) return { text: text("Saved."), color: "success" } as const;
  const words = serving
    ? text("Saved, but {name} can't be loaded with these settings: what ran before goes on.")
    : text("Saved, but {name} can't be loaded.");
  return { text: words, values: { name }, color: "error" } as const;
}
