import { Elysia, t } from "elysia";
import type { RoleAnswer } from "../../accounts/admin/role-list.ts";
import type { Page as List } from "../../db/paging/paginate.ts";
import type { ApiProblem } from "../shell/api.ts";
import { Form, Paged, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const LIST = "/ui/roles";
const Id = t.Object({ id: t.Integer({ minimum: 1 }) });
const RoleForm = t.Object({
  ...Form.properties,
  name: t.String({ default: "" }),
  description: t.String({ default: "" }),
  requires_otp: t.Boolean({ default: false }),
});

interface Values {
  readonly name: string;
  readonly description: string;
  readonly requires_otp: boolean;
}

/** The roles, and the form of each. What they grant is on the page of permissions. */
export function roleRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/roles", prefix: LIST })
    .use(ui.guards)
    .get(
      "",
      async ({ request, query }) => {
        const roles = await ui.api(request).get<List<RoleAnswer>>("/admin/roles", query);
        return ui.page(request, "people/roles.html", { roles });
      },
      { auth: true, query: Paged },
    )
    .get("/new", ({ request }) => showForm(ui, request, null), { auth: true })
    .post(
      "",
      ({ request, body: { name, description, requires_otp } }) => {
        const values = { name, description, requires_otp };
        return ui.act(request, {
          call: (api) => api.post("/admin/roles", values),
          done: {
            text: text("The role {name} is there. Choose here what it grants."),
            values: { name },
            color: "success",
          },
          to: "/ui/permissions",
          form: `${LIST}/new`,
          again: (problem) => showForm(ui, request, null, { values, problem }),
        });
      },
      { auth: true, body: RoleForm },
    )
    .use(oneRoleRoutes(ui));
}

function oneRoleRoutes(ui: Ui) {
  const read = (request: Request, id: number) => ui.api(request).get<RoleAnswer>(`/admin/roles/${id}`);
  return new Elysia({ name: "xcore/ui/people/role" })
    .use(ui.guards)
    .get("/:id", async ({ request, params }) => showForm(ui, request, await read(request, params.id)), {
      auth: true,
      params: Id,
    })
    .post(
      "/:id",
      async ({ request, params: { id }, body: { name, description, requires_otp } }) => {
        const role = await read(request, id);
        const values = { name, description, requires_otp };
        // The API asks for more of who names what a built-in role can't change, or what only some may.
        const change = {
          ...(name !== role.name && { name }),
          ...(description !== role.description && { description }),
          ...(requires_otp !== role.requires_otp && { requires_otp }),
        };
        return ui.act(request, {
          call: (api) => api.put(`/admin/roles/${id}`, change),
          done: { text: text("Saved."), color: "success" },
          to: `${LIST}/${id}`,
          again: (problem) => showForm(ui, request, role, { values, problem }),
        });
      },
      { auth: true, params: Id, body: RoleForm },
    )
    .post(
      "/:id/delete",
      async ({ request, params: { id }, body }) => {
        const { name } = await read(request, id);
        const asked = ui.confirm(request, body, {
          title: text("Delete the role {name}?"),
          detail: text("Who holds it doesn't any more, and may do no more what it alone grants."),
          values: { name },
          button: text("Delete"),
          back: `${LIST}/${id}`,
        });
        return (
          asked ??
          ui.act(request, {
            call: (api) => api.delete(`/admin/roles/${id}`),
            done: { text: text("The role {name} is deleted."), values: { name }, color: "success" },
            to: LIST,
            form: `${LIST}/${id}`,
          })
        );
      },
      { auth: true, params: Id, body: Form },
    );
}

interface Refused {
  readonly values: Values;
  readonly problem: ApiProblem;
}

function showForm(ui: Ui, request: Request, role: RoleAnswer | null, refused?: Refused) {
  const values = refused?.values ?? role ?? { name: "", description: "", requires_otp: false };
  return ui.form(request, "people/role.html", { role, values }, refused?.problem);
}
