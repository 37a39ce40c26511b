import { Elysia, t } from "elysia";
import type { Guards } from "../identity/guards.ts";
import { listOf, page } from "../../db/paging/paginate.ts";
import type { Actor } from "./administration.ts";
import { FRESH_PASSWORD } from "../identity/session-owner.ts";
import { RowId, Time } from "./answers.ts";
import { listUsers, readUser, SEARCH_LIMIT } from "./user-list.ts";
import { assignRole, removeRole } from "./user-roles.ts";
import {
  createUser,
  deleteUser,
  keepUser,
  removeUserOtp,
  setUserActive,
  setUserPassword,
  unlockUser,
  updateUser,
  type UserServices,
} from "./users.ts";

export interface UserRoutesOptions extends UserServices {
  readonly guards: Guards;
  readonly actorOf: (request: Request) => Actor;
}

const User = t.Object({
  id: t.Integer(),
  email: t.String(),
  full_name: t.Nullable(t.String()),
  is_active: t.Boolean({ description: "Whether they may log in" }),
  email_verified_at: t.Nullable(
    t.String({ format: "date-time", description: "When it was shown that mail to it arrives" }),
  ),
  must_verify_email: t.Boolean({
    description: "Whether that has to be shown before they may log in; ended by `/unlock`",
  }),
  deletion_at: t.Nullable(
    t.String({ format: "date-time", description: "When it is deleted, as its owner wants" }),
  ),
  locked_at: t.Nullable(
    t.String({
      ...Time,
      description: "Since when it is locked until its owner sets another password by mail",
    }),
  ),
  roles: t.Array(t.Object({ id: t.Integer(), name: t.String() })),
  has_otp: t.Boolean({ description: "Whether logging in takes a second factor" }),
  last_login_at: t.Nullable(Time),
  created_at: Time,
  updated_at: Time,
});

// Sizes alone: accounts/people and accounts/login refuse what can't be an email, a name or a password.
const Email = t.String({ minLength: 3, maxLength: 1024 });
const FullName = t.Nullable(t.String({ maxLength: 1024 }));
const Password = t.String({ minLength: 1, maxLength: 4096 });
const MAX_ROLES = 100;

const UserFilter = t.Object({
  ...page.properties,
  q: t.Optional(
    t.String({
      maxLength: 255,
      pattern: String.raw`^[^\u0000-\u001f]*$`,
      description: `Beginning of the email or the name. Finds ${SEARCH_LIMIT} users by each at most`,
    }),
  ),
  is_active: t.Optional(t.Boolean()),
  role: t.Optional(t.String({ maxLength: 64, description: "Name of a role that they hold" })),
});

const NewUser = t.Object({
  email: Email,
  full_name: t.Optional(FullName),
  password: t.Optional(Password),
  roles: t.Optional(
    t.Array(RowId.properties.id, {
      maxItems: MAX_ROLES,
      description: 'Ids of roles; the built-in role "user" when left out',
    }),
  ),
});

const RoleOfUser = t.Object({ ...RowId.properties, role_id: RowId.properties.id });

/** Routes that change a user, and answer with the user or with nothing. */
const written = { permission: "users:write", params: RowId, response: { 200: User } } as const;
const emptied = { permission: "users:write", params: RowId, response: { 204: t.Void() } } as const;

/** Serves accounts to who may administer them, below `/admin/users`. */
export function userRoutes({ guards, actorOf, ...services }: UserRoutesOptions) {
  const { store } = services;
  return new Elysia({ name: "xcore/admin/users", prefix: "/admin/users", detail: { tags: ["admin"] } })
    .use(guards)
    .get("", ({ query }) => listUsers(store, query), {
      permission: "users:read",
      query: UserFilter,
      response: { 200: listOf(User) },
      detail: { summary: "Users; sort by id, email, full_name or created_at" },
    })
    .post(
      "",
      async ({ body, request, status }) => status(201, await createUser(services, actorOf(request), body)),
      {
        permission: "users:write",
        idempotent: true,
        body: NewUser,
        response: { 201: User },
        detail: { summary: "Make a user" },
      },
    )
    .get("/:id", ({ params }) => readUser(store, params.id), {
      permission: "users:read",
      params: RowId,
      response: { 200: User },
      detail: { summary: "One user" },
    })
    .put("/:id", ({ params, body, request }) => updateUser(services, actorOf(request), params.id, body), {
      ...written,
      body: t.Object({
        email: t.Optional(Email),
        full_name: t.Optional(FullName),
        is_active: t.Optional(
          t.Boolean({ description: "false keeps them from logging in, and ends their sessions" }),
        ),
        current_password: t.Optional(
          t.String({
            ...Password,
            description: `For a change of your own email. ${FRESH_PASSWORD}`,
          }),
        ),
      }),
      detail: { summary: "Change a user; what isn't named stays" },
    })
    .delete(
      "/:id",
      async ({ params, request, status }) =>
        status(204, await deleteUser(services, actorOf(request), params.id)),
      { ...emptied, detail: { summary: "Delete a user, with sessions, devices and API keys" } },
    );
}

/** Serves what lets a user in and what they may do, below `/admin/users/{id}`. */
export function userAccessRoutes({ guards, actorOf, ...services }: UserRoutesOptions) {
  // POST does the same as PUT, untold.
  const activate = (hide = false) => ({ ...written, detail: { summary: "Let a user log in again", hide } });
  const deactivate = (hide = false) => ({
    ...written,
    detail: { summary: "Keep a user from logging in, and end their sessions", hide },
  });
  const unlock = { ...written, detail: { summary: "End all locks of a user, also one of their own" } };
  const setActive = (request: Request, id: number, isActive: boolean) =>
    setUserActive(services, actorOf(request), id, isActive);

  return new Elysia({
    name: "xcore/admin/users/access",
    prefix: "/admin/users/:id",
    detail: { tags: ["admin"] },
  })
    .use(guards)
    .put("/unlock", ({ params, request }) => unlockUser(services, actorOf(request), params.id), unlock)
    .put("/activate", ({ params, request }) => setActive(request, params.id, true), activate())
    .post("/activate", ({ params, request }) => setActive(request, params.id, true), activate(true))
    .put("/deactivate", ({ params, request }) => setActive(request, params.id, false), deactivate())
    .post("/deactivate", ({ params, request }) => setActive(request, params.id, false), deactivate(true))
    .post(
      "/password",
      async ({ params, body, request, status }) =>
        status(204, await setUserPassword(services, actorOf(request), params.id, body.password)),
      {
        ...emptied,
        body: t.Object({ password: Password }),
        detail: { summary: "Set a user's password, and end their sessions" },
      },
    )
    .delete(
      "/otp",
      async ({ params, request, status }) =>
        status(204, await removeUserOtp(services, actorOf(request), params.id)),
      {
        ...emptied,
        detail: { summary: "Turn two factors off for a user who has lost them, and end their sessions" },
      },
    )
    .delete("/deletion", ({ params, request }) => keepUser(services, actorOf(request), params.id), {
      ...written,
      detail: { summary: "Keep an account that is to be deleted, as its owner wants" },
    })
    .post(
      "/roles/:role_id",
      ({ params, request }) => assignRole(services, actorOf(request), toHolding(params)),
      { ...written, params: RoleOfUser, detail: { summary: "Give a role to a user" } },
    )
    .delete(
      "/roles/:role_id",
      ({ params, request }) => removeRole(services, actorOf(request), toHolding(params)),
      { ...written, params: RoleOfUser, detail: { summary: "Take a role from a user" } },
    );
}

function toHolding(params: { id: number; role_id: number }): { userId: number; roleId: number } {
  return { userId: params.id, roleId: params.role_id };
}
