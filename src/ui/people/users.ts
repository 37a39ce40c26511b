import { Elysia, t } from "elysia";
import type { RoleAnswer } from "../../accounts/admin/role-list.ts";
import type { UserAnswer } from "../../accounts/admin/user-list.ts";
import type { Page as List } from "../../db/paging/paginate.ts";
import { type ApiProblem, toFilters } from "../shell/api.ts";
import { Form, Paged, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const LIST = "/ui/users";
const Ids = t.Array(t.Integer(), { default: [] });

/** What the form of a new user says. */
const NewUser = t.Object({
  ...Form.properties,
  email: t.String({ default: "" }),
  full_name: t.String({ default: "" }),
  password: t.String({ default: "" }),
  roles: Ids,
});

/** The list of users, and the form of a new one. */
export function userListRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/users", prefix: LIST })
    .use(ui.guards)
    .get(
      "",
      async ({ request, query }) => {
        const users = await ui.api(request).get<List<UserAnswer>>("/admin/users", toFilters(query));
        return ui.page(request, "people/users.html", {
          users,
          roles: await listRoles(ui, request),
          filter: query,
        });
      },
      {
        auth: true,
        query: t.Object({
          ...Paged.properties,
          q: t.String({ default: "" }),
          is_active: t.String({ default: "" }),
          role: t.String({ default: "" }),
          sort: t.String({ default: "" }),
        }),
      },
    )
    .get("/new", ({ request }) => showForm(ui, request), { auth: true })
    .post(
      "",
      ({ request, body: { email, full_name, password, roles } }) =>
        ui.act(request, {
          call: (api) =>
            api.post("/admin/users", {
              email,
              full_name: full_name === "" ? null : full_name,
              ...(password !== "" && { password }),
              ...(roles.length > 0 && { roles }),
            }),
          done: { text: text("{email} has an account now."), values: { email }, color: "success" },
          to: LIST,
          form: `${LIST}/new`,
          again: (problem) => showForm(ui, request, { email, full_name, roles }, problem),
        }),
      { auth: true, body: NewUser },
    );
}

interface Filled {
  readonly email: string;
  readonly full_name: string;
  readonly roles: readonly number[];
}

async function showForm(ui: Ui, request: Request, filled?: Filled, problem?: ApiProblem) {
  const values = filled ?? { email: "", full_name: "", roles: [] };
  const roles = await listRoles(ui, request);
  return ui.form(request, "people/new-user.html", { values, roles }, problem);
}

/** The roles that there are; none for who may not see them. */
export async function listRoles(ui: Ui, request: Request): Promise<readonly RoleAnswer[]> {
  return ui.can(request, "roles:read") ? ui.api(request).getAll<RoleAnswer>("/admin/roles") : [];
}
