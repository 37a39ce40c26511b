import { Elysia, t } from "elysia";
import type { Page as List } from "../../db/paging/paginate.ts";
import { MAIL_STATES, type MailAnswer } from "../../mail/desk.ts";
import { toFilters } from "../shell/api.ts";
import { Form, Paged, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const LIST = "/ui/mails";
const Id = t.Object({ id: t.String({ maxLength: 64 }) });

/** The mails, the page of one, and what is done about it. */
export function mailRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/work/mails", prefix: LIST })
    .use(ui.guards)
    .get(
      "",
      async ({ request, query }) => {
        const mails = await ui.api(request).get<List<MailAnswer>>("/system/mails", toFilters(query));
        return ui.page(request, "work/mails.html", { mails, filter: query, states: MAIL_STATES });
      },
      {
        auth: true,
        query: t.Object({
          ...Paged.properties,
          state: t.String({ default: "" }),
          plugin: t.String({ default: "" }),
          to: t.String({ default: "" }),
        }),
      },
    )
    .get(
      "/:id",
      async ({ request, params: { id } }) => {
        const mail = await ui.api(request).get<MailAnswer>(`/system/mails/${encodeURIComponent(id)}`);
        return ui.page(request, "work/mail.html", { mail });
      },
      { auth: true, params: Id },
    )
    .post("/:id/resend", ({ request, params: { id }, body }) => resend(ui, { request, id, body }), {
      auth: true,
      params: Id,
      body: Form,
    })
    .post(
      "/:id/cancel",
      ({ request, params: { id } }) =>
        ui.act(request, {
          call: (api) => api.post(`/system/mails/${encodeURIComponent(id)}/cancel`),
          done: { text: text("The mail isn't sent."), color: "success" },
          to: `${LIST}/${encodeURIComponent(id)}`,
        }),
      { auth: true, params: Id, body: Form },
    );
}

interface Asked {
  readonly request: Request;
  readonly id: string;
  readonly body: typeof Form.static;
}

function resend(ui: Ui, { request, id, body }: Asked) {
  const page = `${LIST}/${encodeURIComponent(id)}`;
  const asked = ui.confirm(request, body, {
    title: text("Send this mail?"),
    detail: text("If it may have been sent already, its recipient may get it twice."),
    button: text("Send"),
    back: page,
  });
  if (asked !== null) return asked;
  return ui.act(request, {
    call: (api) => api.post(`/system/mails/${encodeURIComponent(id)}/resend`),
    done: { text: text("The mail is sent now."), color: "success" },
    to: page,
    form: page,
  });
}
