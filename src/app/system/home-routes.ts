import { Elysia } from "elysia";
import type { Accounts } from "../../accounts/accounts.ts";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { PluginManager } from "../../plugins/manager.ts";
import type { Templates } from "../../templates/templates.ts";

export interface HomeRoutesOptions {
  readonly guards: Guards;
  readonly templates: Pick<Templates, "render">;
  readonly plugins: Pick<PluginManager, "list">;
  readonly setup: Pick<Accounts["setup"], "isNeeded">;
}

/** Serves the home page, which a project replaces by its own templates/home.html. */
export function homeRoutes({ guards, templates, plugins, setup }: HomeRoutesOptions) {
  return new Elysia({ name: "xcore/home", detail: { hide: true } })
    .use(guards)
    .get(
      "/",
      async () =>
        templates.render("home.html", { plugins: listServed(plugins), needs_setup: await setup.isNeeded() }),
      { optionalAuth: true },
    );
}

/** What everybody may know: the API documentation says as much. */
function listServed(plugins: Pick<PluginManager, "list">) {
  return plugins.list().flatMap(({ current, name }) => {
    if (current === null) return [];
    const { description, api_prefix: path } = current.manifest;
    const isAnswered = current.surface.routes.some(
      (route) => route.method === "GET" && route.path.replace(/\/$/, "") === path,
    );
    return [{ name, description, path, is_answered: isAnswered }];
  });
}
