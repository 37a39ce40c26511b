import { Elysia, t } from "elysia";
import type { Static } from "@sinclair/typebox";
import type { PluginDetails, PluginPreview } from "../../plugins/admin/answers.ts";
import type { ApiProblem } from "../shell/api.ts";
import { Form, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const LIST = "/ui/plugins";
const Name = t.Object({ name: t.String({ maxLength: 255 }) });
/** Where a plugin is: one address a line, as they are tried. */
const Place = t.Object({
  ...Form.properties,
  urls: t.String({ default: "" }),
  integrity: t.String({ default: "" }),
});

type Details = Static<typeof PluginDetails>;
type Preview = Static<typeof PluginPreview>;
type Given = Pick<Static<typeof Place>, "urls" | "integrity">;

/** The page of one plugin, and those that add one: what it is comes first, and then whether it is wanted. */
export function pluginRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/plugins/one", prefix: LIST })
    .use(ui.guards)
    .get("/-/add", ({ request, query }) => showForm(ui, request, query), {
      auth: true,
      query: t.Object({ urls: t.String({ default: "" }), integrity: t.String({ default: "" }) }),
    })
    .post("/-/preview", ({ request, body }) => showPreview(ui, request, body), { auth: true, body: Place })
    .post("", ({ request, body }) => install(ui, request, body), { auth: true, body: Place })
    .get("/:name", ({ request, params }) => showPlugin(ui, request, params.name), {
      auth: true,
      params: Name,
    })
    .post(
      "/:name/remove",
      ({ request, params: { name }, body }) => {
        const purge = body.purge === "true";
        const page = `${LIST}/${encodeURIComponent(name)}`;
        const asked = ui.confirm(request, body, {
          title: text("Remove {name}?"),
          detail: purge
            ? text(
                "Its files are deleted, and its tables with all that is in them. Nothing brings them back but a backup.",
              )
            : text("Its files are deleted, or its entry in config.json. Its tables stay as they are."),
          values: { name },
          button: text("Remove"),
          back: page,
        });
        return (
          asked ??
          ui.act(request, {
            call: (api) => api.delete(`/system/plugins/${encodeURIComponent(name)}`, { query: { purge } }),
            done: { text: text("{name} is removed."), values: { name }, color: "success" },
            to: LIST,
            form: page,
          })
        );
      },
      { auth: true, params: Name, body: t.Object({ ...Form.properties, purge: t.Optional(t.String()) }) },
    );
}

async function showPlugin(ui: Ui, request: Request, name: string) {
  const plugin = await ui.api(request).get<Details>(`/system/plugins/${encodeURIComponent(name)}`);
  return ui.page(request, "plugins/plugin.html", { plugin });
}

function showForm(ui: Ui, request: Request, { urls, integrity }: Given, problem?: ApiProblem) {
  return ui.form(request, "plugins/new.html", { values: { urls, integrity } }, problem);
}

async function showPreview(ui: Ui, request: Request, given: Given) {
  try {
    const asked = { ...toPlace(given), dry_run: true };
    const preview = await ui.api(request).post<Preview>("/system/plugins", asked);
    // What is shown is what is installed, whatever stands at the address by then.
    const values = { urls: given.urls, integrity: preview.inspection.integrity };
    return await ui.page(request, "plugins/preview.html", { preview, values });
  } catch (error) {
    return ui.refused(request, error, {
      form: formOf(given),
      again: (problem) => showForm(ui, request, given, problem),
    });
  }
}

async function install(ui: Ui, request: Request, given: Given) {
  let name = "";
  return ui.act(request, {
    async call(api) {
      ({ name } = await api.post<Details>("/system/plugins", toPlace(given)));
    },
    done: () => ({ text: text("{name} is installed."), values: { name }, color: "success" }),
    to: LIST,
    form: formOf(given),
    again: (problem) => showForm(ui, request, given, problem),
  });
}

/** Path of the form with what was in it. */
function formOf({ urls, integrity }: Given): string {
  const query = new URLSearchParams({ urls, ...(integrity !== "" && { integrity }) });
  return `${LIST}/-/add?${query}`;
}

function toPlace({ urls, integrity }: Given) {
  const places = urls.split(/\s+/).filter((one) => one !== "");
  return {
    ...(places.length === 1 ? { url: places[0] } : { urls: places }),
    ...(integrity.trim() !== "" && { integrity: integrity.trim() }),
  };
}
