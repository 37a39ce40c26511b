import { Elysia, t } from "elysia";
import type { InvitationAnswer, SentInvitation } from "../../accounts/invitations/invitations.ts";
import type { Page as List } from "../../db/paging/paginate.ts";
import type { ApiProblem } from "../shell/api.ts";
import { Form, Paged, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { listRoles } from "./users.ts";

const LIST = "/ui/users/invitations";
const Id = t.Object({ id: t.Integer({ minimum: 1 }) });
const DAY_SECONDS = 86_400;

/** What the form of a new invitation says. */
const NewInvitation = t.Object({
  ...Form.properties,
  email: t.String({ default: "" }),
  days: t.Integer({ default: 7 }),
  roles: t.Array(t.Integer(), { default: [] }),
});

type Filled = Pick<typeof NewInvitation.static, "email" | "days" | "roles">;

/** The list of invitations, and the form of a new one. */
export function invitationRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/invitations", prefix: LIST })
    .use(ui.guards)
    .get(
      "",
      async ({ request, query }) => {
        const invitations = await ui
          .api(request)
          .get<List<InvitationAnswer>>("/admin/invitations", { ...query, sort: "-created_at" });
        const now = new Date().toISOString();
        return ui.page(request, "people/invitations.html", { invitations, now });
      },
      { auth: true, query: Paged },
    )
    .get("/new", ({ request }) => showForm(ui, request), { auth: true })
    .post("", ({ request, body }) => invite(ui, request, body), { auth: true, body: NewInvitation })
    .post("/:id/resend", ({ request, params: { id } }) => resend(ui, request, id), {
      auth: true,
      params: Id,
      body: Form,
    })
    .post(
      "/:id/revoke",
      ({ request, params: { id }, body }) => {
        const asked = ui.confirm(request, body, {
          title: text("Take this invitation back?"),
          detail: text("Its link is void then."),
          button: text("Take it back"),
          back: LIST,
        });
        return (
          asked ??
          ui.act(request, {
            call: (api) => api.delete(`/admin/invitations/${id}`),
            done: { text: text("The invitation is taken back."), color: "success" },
            to: LIST,
          })
        );
      },
      { auth: true, params: Id, body: Form },
    );
}

async function invite(ui: Ui, request: Request, { email, days, roles }: Filled) {
  const filled = { email, days, roles };
  try {
    const made = await ui.api(request).post<SentInvitation>("/admin/invitations", {
      email,
      expires_in: days * DAY_SECONDS,
      ...(roles.length > 0 && { roles }),
    });
    return await showSent(ui, request, made);
  } catch (error) {
    return ui.refused(request, error, {
      form: `${LIST}/new`,
      again: (problem) => showForm(ui, request, filled, problem),
    });
  }
}

async function resend(ui: Ui, request: Request, id: number) {
  const sent: SentInvitation[] = [];
  const answer = await ui.act(request, {
    call: async (api) => sent.push(await api.post<SentInvitation>(`/admin/invitations/${id}/resend`, {})),
    done: null,
    to: LIST,
  });
  const [made] = sent;
  return made === undefined ? answer : showSent(ui, request, made);
}

/** Leads back to the list; where no mail is sent, shows the link first, which is to be passed on. */
function showSent(ui: Ui, request: Request, made: SentInvitation) {
  if (made.link !== null) {
    const headers = { "cache-control": "no-store" };
    return ui.page(request, "people/invitation-link.html", { made }, { headers });
  }
  const values = { email: made.email };
  return ui.redirect(request, LIST, { text: text("{email} is invited."), values, color: "success" });
}

async function showForm(ui: Ui, request: Request, filled?: Filled, problem?: ApiProblem) {
  const values = filled ?? { email: "", days: 7, roles: [] };
  const roles = await listRoles(ui, request);
  const errors = problem?.fields ?? {};
  const said = { ...errors, ...("expires_in" in errors && { days: errors["expires_in"] }) };
  return ui.form(request, "people/new-invitation.html", { values, roles, errors: said }, problem);
}
