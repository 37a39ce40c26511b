import { Elysia, t } from "elysia";
import type { PluginSummary } from "../../plugins/admin/answers.ts";
import type { Area } from "../shell/menu.ts";
import { Form, type Question, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

interface PluginList {
  readonly items: readonly (typeof PluginSummary.static)[];
  readonly page: number;
  readonly per_page: number;
  readonly total: number;
}

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
    menu: [{ label: text("Plugins"), path: LIST, icon: "plug", permission: "plugins:read" }],
    routes: new Elysia({ name: "xcore/ui/plugins", prefix: LIST })
      .use(ui.guards)
      .get(
        "",
        async ({ request, query }) => {
          const plugins = await ui.api(request).get<PluginList>("/system/plugins", query);
          return ui.page(request, "plugins/list.html", { plugins });
        },
        { auth: true, query: t.Object({ page: t.Optional(t.Integer({ minimum: 1 })) }) },
      )
      .post(
        "/:name/:verb",
        ({ request, params: { name, verb }, body }) => {
          const asked = verb === "disable" ? ui.confirm(request, body, toQuestion(name)) : null;
          return (
            asked ??
            ui.act(request, {
              call: (api) => api.put(`/system/plugins/${encodeURIComponent(name)}/${verb}`),
              done: { text: DONE[verb], values: { name }, color: "success" },
              to: LIST,
            })
          );
        },
        {
          auth: true,
          params: t.Object({ name: t.String({ maxLength: 255 }), verb: t.UnionEnum([...VERBS]) }),
          body: Form,
        },
      ),
  };
}

function toQuestion(name: string): Question {
  return {
    title: text("Disable {name}?"),
    detail: text("Its routes, jobs and hooks stop at once. Its data stays."),
    values: { name },
    button: text("Disable"),
    back: LIST,
  };
}
