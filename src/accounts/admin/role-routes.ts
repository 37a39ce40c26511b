import { Elysia, t } from "elysia";
import type { Guards } from "../identity/guards.ts";
import { listOf, page } from "../../db/paging/paginate.ts";
import type { Actor, AdministrationServices } from "./administration.ts";
import { describeUnknownGrants } from "../rights/permission-catalog.ts";
import { RowId, Time } from "./answers.ts";
import { listPermissions, listRoles, readRole, type RoleAnswer } from "./role-list.ts";
import { createRole, deleteRole, ROLE_NAME, setRolePermissions, updateRole } from "./roles.ts";

export interface RoleRoutesOptions extends AdministrationServices {
  readonly guards: Guards;
  readonly actorOf: (request: Request) => Actor;
}

const Role = t.Object({
  id: t.Integer(),
  name: t.String(),
  description: t.String(),
  is_builtin: t.Boolean({ description: "Whether it can't be renamed or deleted" }),
  requires_otp: t.Boolean({ description: "Whether who holds it must log in with two factors" }),
  permissions: t.Array(t.String({ description: "invoices:read, invoices:* or *" })),
  created_at: Time,
  updated_at: Time,
});

const WrittenRole = t.Object({
  ...Role.properties,
  warnings: t.Optional(
    t.Array(t.String(), { description: "Permissions that nobody declares, and what was probably meant" }),
  ),
});

const Permission = t.Object({
  name: t.String(),
  description: t.String(),
  owner: t.String({ description: 'The plugin that declares it, or "core"' }),
});

const Name = t.String({ pattern: ROLE_NAME, description: "Such as sales_manager" });
const Description = t.String({ maxLength: 255, pattern: String.raw`^[^\u0000-\u001f]*$` });
const Grants = t.Array(t.String({ maxLength: 128 }), {
  maxItems: 1000,
  description: "Permissions and wildcards that you hold: invoices:read, invoices:* or *",
});

const Search = t.Object({
  ...page.properties,
  q: t.Optional(t.String({ maxLength: 128, pattern: "^[ -~]*$", description: "Beginning of the name" })),
});

const PermissionSearch = t.Object({
  ...Search.properties,
  owner: t.Optional(t.String({ maxLength: 64, description: 'A plugin, or "core"' })),
});

const RoleChange = t.Object({
  name: t.Optional(Name),
  description: t.Optional(Description),
  requires_otp: t.Optional(t.Boolean()),
});

const NewRole = t.Object({
  name: Name,
  description: t.Optional(Description),
  permissions: t.Optional(Grants),
  requires_otp: t.Optional(t.Boolean()),
});

/** Routes that change a role, and answer with the role or with nothing. */
const written = { permission: "roles:write", params: RowId, response: { 200: Role } } as const;
const granted = { ...written, response: { 200: WrittenRole } } as const;
const emptied = { permission: "roles:write", params: RowId, response: { 204: t.Void() } } as const;

/** Serves roles, and the permissions that they can hold, below `/admin/roles` and `/admin/permissions`. */
export function roleRoutes({ guards, actorOf, ...services }: RoleRoutesOptions) {
  const { store } = services;
  return new Elysia({ name: "xcore/admin/roles", prefix: "/admin", detail: { tags: ["admin"] } })
    .use(guards)
    .get("/roles", ({ query }) => listRoles(store, query), {
      permission: "roles:read",
      query: Search,
      response: { 200: listOf(Role) },
      detail: { summary: "Roles; sort by id, name, created_at or updated_at" },
    })
    .post(
      "/roles",
      async ({ body, request, status }) =>
        status(201, await withWarnings(store, createRole(services, actorOf(request), body))),
      {
        permission: "roles:write",
        idempotent: true,
        body: NewRole,
        response: { 201: WrittenRole },
        detail: { summary: "Make a role" },
      },
    )
    .get("/roles/:id", ({ params }) => readRole(store, params.id), {
      permission: "roles:read",
      params: RowId,
      response: { 200: Role },
      detail: { summary: "One role" },
    })
    .put(
      "/roles/:id",
      ({ params, body, request }) => updateRole(services, actorOf(request), params.id, body),
      {
        ...written,
        body: RoleChange,
        detail: { summary: "Change a role; what isn't named stays" },
      },
    )
    .delete(
      "/roles/:id",
      async ({ params, request, status }) =>
        status(204, await deleteRole(services, actorOf(request), params.id)),
      { ...emptied, detail: { summary: "Delete a role; who holds it doesn't any more" } },
    )
    .put(
      "/roles/:id/permissions",
      ({ params, body, request }) =>
        withWarnings(store, setRolePermissions(services, actorOf(request), params.id, body.permissions)),
      {
        ...granted,
        body: t.Object({ permissions: Grants }),
        detail: { summary: "Set what a role grants: the whole list" },
      },
    )
    .get("/permissions", ({ query }) => listPermissions(store, query), {
      permission: "roles:read",
      query: PermissionSearch,
      response: { 200: listOf(Permission) },
      detail: { summary: "Permissions that can be granted; sort by name or owner" },
    });
}

async function withWarnings(
  store: AdministrationServices["store"],
  change: Promise<RoleAnswer>,
): Promise<RoleAnswer & { warnings?: string[] }> {
  const role = await change;
  const warnings = await describeUnknownGrants(store, role.permissions);
  return warnings.length === 0 ? role : { ...role, warnings };
}
