import { Elysia, t } from "elysia";
import type { JobAnswer } from "../../jobs/admin/desk.ts";
import { JOB_STATES } from "../../jobs/admin/desk.ts";
import type { Page as List } from "../../db/paging/paginate.ts";
import { toFilters } from "../shell/api.ts";
import { Form, Paged, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const LIST = "/ui/jobs";
const Id = t.Object({ id: t.String({ maxLength: 64 }) });
/** Those that may still change. */
const OPEN: ReadonlySet<string> = new Set(["waiting", "delayed", "blocked", "running"]);

/** The background jobs, the page of one, and what is done to it. */
export function jobRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/work/jobs", prefix: LIST })
    .use(ui.guards)
    .get(
      "",
      async ({ request, query }) => {
        const jobs = await ui.api(request).get<List<JobAnswer>>("/system/jobs", toFilters(query));
        return ui.page(request, "work/jobs.html", { jobs, filter: query, states: JOB_STATES });
      },
      {
        auth: true,
        query: t.Object({
          ...Paged.properties,
          state: t.String({ default: "" }),
          plugin: t.String({ default: "" }),
          name: t.String({ default: "" }),
        }),
      },
    )
    .get(
      "/:id",
      async ({ request, params: { id } }) => {
        const job = await ui.api(request).get<JobAnswer>(`/system/jobs/${encodeURIComponent(id)}`);
        return ui.page(request, "work/job.html", { job, isOpen: OPEN.has(job.state) });
      },
      { auth: true, params: Id },
    )
    .post(
      "/:id/retry",
      ({ request, params: { id } }) =>
        ui.act(request, {
          call: (api) => api.post(`/system/jobs/${encodeURIComponent(id)}/retry`),
          done: { text: text("The job runs again."), color: "success" },
          to: `${LIST}/${encodeURIComponent(id)}`,
        }),
      { auth: true, params: Id, body: Form },
    )
    .post("/:id/cancel", ({ request, params: { id }, body }) => cancel(ui, { request, id, body }), {
      auth: true,
      params: Id,
      body: Form,
    });
}

interface Asked {
  readonly request: Request;
  readonly id: string;
  readonly body: typeof Form.static;
}

function cancel(ui: Ui, { request, id, body }: Asked) {
  const page = `${LIST}/${encodeURIComponent(id)}`;
  const asked = ui.confirm(request, body, {
    title: text("Cancel or delete this job?"),
    detail: text(
      "One that waits or runs is cancelled, with those of its chain behind it. One that has ended is deleted.",
    ),
    button: text("Go on"),
    back: page,
  });
  if (asked !== null) return asked;
  return ui.act(request, {
    call: (api) => api.delete(`/system/jobs/${encodeURIComponent(id)}`),
    done: { text: text("The job is cancelled, or deleted if it had ended."), color: "success" },
    to: LIST,
    form: page,
  });
}
