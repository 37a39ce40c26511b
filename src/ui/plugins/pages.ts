import { Elysia, t } from "elysia";
import type { Page as List } from "../../db/paging/paginate.ts";
import type { PluginSummary } from "../../plugins/admin/answers.ts";
import type { Area } from "../shell/menu.ts";
import { Form, type Question, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { pluginRoutes } from "./plugin.ts";
import { settingsRoutes } from "./settings.ts";

const LIST = "/ui/plugins";
const VERBS = ["enable", "disable", "reload"] as const;

/** What is said when it is done. */
const DONE: Readonly<Record<(typeof VERBS)[number], string>> = {
  enable: text("{name} is enabled."),
  disable: text("{name} is disabled."),
  reload: text("{name} has been loaded anew."),
};

/** The pages of plugins: which there are, in which state, and what can be done to them. */
export function pluginArea(ui: Ui): Area {
  return {
    section: "system",
    menu: [
      {
        label: text("Plugins"),
        path: LIST,
        icon: "plug",
        permission: "plugins:read",
        action: { label: text("Add a plugin"), path: `${LIST}/-/add`, permission: "*" },
      },
    ],
    routes: new Elysia({ name: "xcore/ui/plugins" })
      .use(ui.guards)
      .get(
        LIST,
        async ({ request, query }) => {
          const plugins = await ui
            .api(request)
            .get<List<typeof PluginSummary.static>>("/system/plugins", query);
          return ui.page(request, "plugins/list.html", { plugins });
        },
        { auth: true, query: t.Object({ page: t.Optional(t.Integer({ minimum: 1 })) }) },
      )
      .use(settingsRoutes(ui))
      .use(pluginRoutes(ui))
      .post(
        `${LIST}/:name/:verb`,
        ({ request, params: { name, verb }, body }) => {
          const to = body.page === "one" ? `${LIST}/${encodeURIComponent(name)}` : LIST;
          const asked = verb === "disable" ? ui.confirm(request, body, toQuestion(name, to)) : null;
          const query = body.with_dependents === "true" ? { with_dependents: true } : {};
          return (
            asked ??
            ui.act(request, {
              call: (api) =>
                api.put(`/system/plugins/${encodeURIComponent(name)}/${verb}`, undefined, { query }),
              done: { text: DONE[verb], values: { name }, color: "success" },
              to,
            })
          );
        },
        {
          auth: true,
          params: t.Object({ name: t.String({ maxLength: 255 }), verb: t.UnionEnum([...VERBS]) }),
          body: t.Object({
            ...Form.properties,
            page: t.Optional(t.Literal("one", { description: "Back to the plugin's own" })),
            with_dependents: t.Optional(t.Literal("true")),
          }),
        },
      ),
  };
}

function toQuestion(name: string, back: string): Question {
  return {
    title: text("Disable {name}?"),
    detail: text("Its routes, jobs and hooks stop at once. Its data stays."),
    values: { name },
    button: text("Disable"),
    back,
  };
}
