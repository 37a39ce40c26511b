import { Elysia, t } from "elysia";
import { toFilters } from "../shell/api.ts";
import { Paged, type Ui } from "../shell/pages.ts";

const Text = t.String({ default: "" });
const LogFilter = {
  file: t.String({ default: "app" }),
  level: Text,
  q: Text,
  plugin: Text,
  from: Text,
  to: Text,
};
const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];

/** What is written down: the logs, who did what, and how the server is set. */
export function recordRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/operations/records" })
    .use(ui.guards)
    .get(
      "/ui/audit",
      async ({ request, query }) => {
        const { from, to } = query;
        const asked = toFilters({ ...query, from: toMoment(from), to: toMoment(to) });
        const entries = await ui.api(request).get("/admin/audit", asked);
        return ui.page(request, "operations/audit.html", { entries, filter: query });
      },
      {
        auth: true,
        query: t.Object({
          ...Paged.properties,
          actor: Text,
          action: Text,
          target: Text,
          result: Text,
          from: Text,
          to: Text,
        }),
      },
    )
    .get(
      "/ui/logs",
      async ({ request, query }) => {
        const { before, ...filter } = query;
        const asked = toFilters({ ...filter, from: toMoment(filter.from), to: toMoment(filter.to) });
        const lines = await ui.api(request).get("/system/logs", { ...asked, before });
        const isLatest = before === undefined && filter.to === "";
        return ui.page(request, "operations/logs.html", { lines, filter, asked, isLatest, levels: LEVELS });
      },
      { auth: true, query: t.Object({ ...LogFilter, before: t.Optional(t.Integer({ minimum: 0 })) }) },
    )
    .get(
      "/ui/config",
      async ({ request, query: { q, set } }) => {
        const { items } = await ui.api(request).get<{ items: readonly Key[] }>("/system/config");
        const words = q.toLowerCase();
        const keys = items.filter(
          ({ key, description, source }) =>
            (set === "" || source !== "default") && `${key} ${description}`.toLowerCase().includes(words),
        );
        const sections = [...Map.groupBy(keys, ({ key }) => key.split(".")[0] ?? "")].map(([name, held]) => ({
          name,
          keys: held,
        }));
        return ui.page(request, "operations/config.html", { sections, filter: { q, set } });
      },
      { auth: true, query: t.Object({ q: Text, set: Text }) },
    );
}

interface Key {
  readonly key: string;
  readonly description: string;
  readonly source: string;
}

/** What a field of a form says of a moment is in UTC, as the page shows them; what is none, the API refuses. */
function toMoment(text: string): string {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text) ? `${text}:00Z` : text;
}
