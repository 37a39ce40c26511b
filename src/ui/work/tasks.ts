import { Elysia, t } from "elysia";
import { Form, Paged, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const LIST = "/ui/tasks";
const VERBS = ["run", "pause", "resume"] as const;

/** What is said when it is done. */
const DONE: Readonly<Record<(typeof VERBS)[number], string>> = {
  run: text("{id} runs now."),
  pause: text("{id} is paused on all instances."),
  resume: text("{id} goes on."),
};

/** The scheduled tasks, and what is done to them. */
export function taskRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/work/tasks", prefix: LIST })
    .use(ui.guards)
    .get(
      "",
      async ({ request, query }) => {
        const tasks = await ui.api(request).get("/system/tasks", query);
        return ui.page(request, "work/tasks.html", { tasks });
      },
      { auth: true, query: Paged },
    )
    .post(
      "/:id/:verb",
      ({ request, params: { id, verb } }) =>
        ui.act(request, {
          call: (api) => api.post(`/system/tasks/${encodeURIComponent(id)}/${verb}`),
          done: { text: DONE[verb], values: { id }, color: "success" },
          to: LIST,
        }),
      {
        auth: true,
        params: t.Object({ id: t.String({ maxLength: 130 }), verb: t.UnionEnum([...VERBS]) }),
        body: Form,
      },
    );
}
