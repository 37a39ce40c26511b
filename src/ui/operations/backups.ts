import { Elysia, t } from "elysia";
import { Form, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const PAGE = "/ui/backups";
const Name = t.Object({ name: t.String({ maxLength: 255 }) });

/** The backups: make, download and verify them. Only a server that is stopped can be restored: the page says how. */
export function backupRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/operations/backups", prefix: PAGE })
    .use(ui.guards)
    .get(
      "",
      async ({ request }) => {
        const backups = await ui.api(request).get("/system/backups");
        return ui.page(request, "operations/backups.html", { backups });
      },
      { auth: true },
    )
    .post(
      "",
      ({ request }) =>
        ui.act(request, {
          call: (api) => api.post("/system/backups"),
          done: { text: text("The backup is made. Keep a copy of it on another machine."), color: "success" },
          to: PAGE,
        }),
      { auth: true, body: Form },
    )
    .post(
      "/:name/verify",
      ({ request, params: { name } }) =>
        ui.act(request, {
          call: (api) => api.post(`/system/backups/${encodeURIComponent(name)}/verify`),
          done: { text: text("{name} is whole."), values: { name }, color: "success" },
          to: PAGE,
        }),
      { auth: true, params: Name, body: Form },
    )
    .get(
      "/:name/download",
      async ({ request, params: { name } }) => {
        const path = `/system/backups/${encodeURIComponent(name)}`;
        const { body, headers } = await ui.api(request).fetch("GET", path);
        return new Response(body, { headers });
      },
      { auth: true, params: Name },
    );
}
