import { Elysia, t } from "elysia";
import { Form, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const PAGE = "/ui/cache";

/** What the cache does, and the form that clears it. */
export function cacheRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/operations/cache", prefix: PAGE })
    .use(ui.guards)
    .get(
      "",
      async ({ request }) => {
        const stats = await ui.api(request).get("/system/cache");
        return ui.page(request, "operations/cache.html", { stats });
      },
      { auth: true },
    )
    .post(
      "/clear",
      ({ request, body }) => {
        const { pattern } = body;
        const asked = ui.confirm(request, body, {
          title: text("Clear {pattern}?"),
          detail: text("What is cached under these keys is made anew when it is next asked for."),
          values: { pattern },
          button: text("Clear"),
          back: PAGE,
        });
        return (
          asked ??
          ui.act(request, {
            call: (api) => api.delete("/system/cache", { query: { pattern } }),
            done: { text: text("{pattern} is cleared."), values: { pattern }, color: "success" },
            to: PAGE,
          })
        );
      },
      { auth: true, body: t.Object({ ...Form.properties, pattern: t.String({ default: "" }) }) },
    );
}
