import { type AnyElysia, t } from "elysia";
import { fail } from "../errors/codes.ts";
import { createOwnApp, toCoreFetch } from "../web/core-app.ts";
import { type ErrorAnswer, toElysiaErrorHandler } from "../web/error-answers.ts";
import type { Mount } from "../web/mounts.ts";
import { dashboardArea } from "./dashboard/pages.ts";
import { operationsArea } from "./operations/operations.ts";
import { peopleArea } from "./people/people.ts";
import { pluginArea } from "./plugins/pages.ts";
import { recordsArea } from "./records/area.ts";
import { type MenuResource, toRecordsMenu } from "./records/menu.ts";
import { ApiProblem } from "./shell/api.ts";
import type { Area, Found, MenuItem, MenuSection } from "./shell/menu.ts";
import { Ui, type UiOptions } from "./shell/pages.ts";
import { preferenceRoutes } from "./shell/preferences.ts";
import { createProblemPages } from "./shell/problems.ts";
import { loadScripts } from "./shell/scripts.ts";
import { text } from "./shell/words.ts";
import { workArea } from "./work/work.ts";

export interface UiAppOptions extends Omit<UiOptions, "scripts"> {
  readonly answerError: ErrorAnswer;
  /** What plugins that serve show in the sidebar. */
  readonly pluginMenu: () => readonly MenuItem[];
  /** The tables of plugins that are served as APIs now. */
  readonly resources: () => readonly MenuResource[];
}

/** The interface, once it is loaded. */
export interface UiApp extends Pick<Mount, "fetch"> {
  /** What the frame of its pages shows to whoever makes a request. */
  readonly shellOf: (request: Request) => unknown;
  /** Its routes, such as "GET /ui/plugins/:name". */
  readonly routes: () => readonly string[];
}

const SECTIONS: Readonly<Record<Area["section"], string | null>> = {
  main: null,
  people: text("People"),
  system: text("System"),
};

const MAX_FOUND = 20; // in the command palette

/** What is found in all areas; what one of them can't look for, as a word that its API refuses, is found by none. */
async function findAll(ui: Ui, request: Request, words: string): Promise<Found[]> {
  const found = await Promise.all(
    ui.finders.map((find) =>
      find(request, words).catch((error: unknown) => {
        if (error instanceof ApiProblem && error.status < 500) return [];
        throw error;
      }),
    ),
  );
  return found.flat().slice(0, MAX_FOUND);
}

/** Builds the pages of the administration below /ui, and their scripts. */
export async function createUiApp(options: UiAppOptions): Promise<UiApp> {
  const scripts = await loadScripts();
  const ui = new Ui({ ...options, scripts });
  const areas: readonly Area[] = [
    dashboardArea(ui),
    recordsArea(ui),
    peopleArea(ui),
    pluginArea(ui),
    workArea(ui),
    operationsArea(ui),
  ];
  const [main, ...others] = Object.entries(SECTIONS).map(([section, title]): MenuSection => {
    const items = areas.filter((area) => area.section === section).flatMap(({ menu }) => menu);
    return { title, items };
  });
  ui.menu = () => [
    ...(main === undefined ? [] : [main]),
    ...toRecordsMenu(options.resources()),
    { title: text("Plugins' pages"), items: options.pluginMenu() },
    ...others,
  ];
  ui.finders = areas.flatMap(({ find }) => find ?? []);
  const answerError = toElysiaErrorHandler(() => app, options.answerError, null);
  const app: AnyElysia = createOwnApp("xcore/ui")
    .onParse(refuseJson)
    .onTransform(({ request, body }) => ui.note(request, body))
    .onError(createProblemPages(ui, (error, request) => answerError({ error, request })))
    .get("/static/xcore/:hash/:file", ({ params, request }) => scripts.answer(params, request), {
      params: t.Object({ hash: t.String(), file: t.String() }),
    })
    .use(ui.guards)
    .use(preferenceRoutes(ui))
    .get("/ui/find", async ({ request, query: { q } }) => ({ items: await findAll(ui, request, q) }), {
      auth: true,
      query: t.Object({ q: t.String({ minLength: 2, maxLength: 200 }) }),
    })
    // Whoever isn't known is led to the login, rather than told what there isn't.
    .all("/ui/*", () => Promise.reject(fail("not_found", "Nothing is served at this path")), { auth: true });
  for (const { routes } of areas) app.use(routes);
  return {
    fetch: toCoreFetch(app),
    shellOf: (request) => ui.shell(request),
    routes: () => app.routes.map(({ method, path }) => `${method} ${path}`),
  };
}

/** Forms are made of texts and files: a page needn't reckon with more. @throws AppError unsupported_media_type */
function refuseJson({ contentType }: { readonly contentType: string }): undefined {
  if (!/json/i.test(contentType)) return undefined;
  throw fail("unsupported_media_type", "Cannot read a body of JSON: pages take forms");
}
