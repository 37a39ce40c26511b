import { Elysia } from "elysia";
import type { TrafficPoint } from "../../metrics/traffic.ts";
import type { Area } from "../shell/menu.ts";
import type { Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

interface Traffic {
  readonly points: readonly TrafficPoint[];
  readonly failures: readonly object[];
}

interface List {
  readonly items: readonly { readonly state: string }[];
}

const PATH = "/ui";
const SHOWN = 8; // of what has failed
const ROW_POINTS = 15; // of the table: half a minute

/** The first page: what runs, how its requests do, what has failed lately, and what plugins show of themselves. */
export function dashboardArea(ui: Ui): Area {
  return {
    section: "main",
    menu: [{ label: text("Dashboard"), path: PATH, icon: "gauge" }],
    routes: new Elysia({ name: "xcore/ui/dashboard" }).use(ui.guards).get(
      PATH,
      async ({ request }) => {
        const api = ui.api(request);
        const [status, traffic, plugins, jobs, cards] = await Promise.all([
          api.getIfAllowed<object>("/system/status"),
          api.getIfAllowed<Traffic>("/system/traffic"),
          api.getIfAllowed<List>("/system/plugins", { per_page: 100 }),
          api.getIfAllowed<List>("/system/jobs", { state: "dead", per_page: SHOWN }),
          api.get<List>("/system/cards"),
        ]);
        return ui.page(request, "dashboard/page.html", {
          status,
          cards: cards.items,
          failed_plugins: plugins?.items.filter(({ state }) => state === "failed") ?? null,
          dead_jobs: jobs?.items ?? null,
          failures: traffic?.failures.slice(0, SHOWN) ?? null,
          minutes: traffic === null ? null : toRows(traffic.points),
        });
      },
      { auth: true },
    ),
  };
}

/** The points of half a minute each as one row, the last first: what a chart shows, for who sees none. */
function toRows(points: readonly TrafficPoint[]) {
  const rows = [];
  for (let end = points.length; end > 0; end -= ROW_POINTS) {
    const part = points.slice(Math.max(0, end - ROW_POINTS), end);
    const sum = (key: "requests" | "failures" | "refusals"): number =>
      part.reduce((total, point) => total + point[key], 0);
    const most = (key: "p50_ms" | "p99_ms"): number | null => {
      const known = part.flatMap((point) => point[key] ?? []);
      return known.length === 0 ? null : Math.max(...known);
    };
    rows.push({
      at: part[0]?.at ?? 0,
      requests: sum("requests"),
      failures: sum("failures"),
      refusals: sum("refusals"),
      p50_ms: most("p50_ms"),
      p99_ms: most("p99_ms"),
    });
  }
  return rows;
}
