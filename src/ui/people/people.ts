import { Elysia } from "elysia";
import type { Area, Found } from "../shell/menu.ts";
import type { Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { accessRoutes } from "./own-access.ts";
import { accountRoutes } from "./own-account.ts";
import { invitationRoutes } from "./invitations.ts";
import { matrixRoutes } from "./matrix.ts";
import { roleRoutes } from "./roles.ts";
import { secondFactorRoutes } from "./second-factor.ts";
import { userRoutes } from "./user.ts";
import { userListRoutes } from "./users.ts";

const MAX_FOUND = 5;

/** The pages of who may do what: users, roles, and what somebody has signed in with. */
export function peopleArea(ui: Ui): Area {
  return {
    section: "people",
    menu: [
      {
        label: text("Users"),
        path: "/ui/users",
        icon: "users",
        permission: "users:read",
        action: { label: text("New user"), path: "/ui/users/new", permission: "users:write" },
      },
      {
        label: text("Invitations"),
        path: "/ui/users/invitations",
        icon: "mail",
        permission: "users:read",
        action: { label: text("Invite"), path: "/ui/users/invitations/new", permission: "users:write" },
      },
      {
        label: text("Roles"),
        path: "/ui/roles",
        icon: "shield",
        permission: "roles:read",
        action: { label: text("New role"), path: "/ui/roles/new", permission: "roles:write" },
      },
      { label: text("Permissions"), path: "/ui/permissions", icon: "lock", permission: "roles:read" },
    ],
    routes: new Elysia({ name: "xcore/ui/people" })
      .use(userListRoutes(ui))
      .use(invitationRoutes(ui))
      .use(userRoutes(ui))
      .use(roleRoutes(ui))
      .use(matrixRoutes(ui))
      .use(accountRoutes(ui))
      .use(accessRoutes(ui))
      .use(secondFactorRoutes(ui)),
    find: (request, words) => findUsers(ui, request, words),
  };
}

/** Users whose email or name begins so, for who may see them. */
async function findUsers(ui: Ui, request: Request, words: string): Promise<Found[]> {
  if (!ui.can(request, "users:read")) return [];
  const query = { q: words, per_page: MAX_FOUND, total: false };
  const users = await ui
    .api(request)
    .getIfAllowed<{ readonly items: readonly FoundUser[] }>("/admin/users", query);
  return (users?.items ?? []).map(({ id, email, full_name }) => ({
    label: email,
    hint: full_name ?? "",
    path: `/ui/users/${id}`,
  }));
}

interface FoundUser {
  readonly id: number;
  readonly email: string;
  readonly full_name: string | null;
}
