import { Elysia } from "elysia";
import type { Area } from "../shell/menu.ts";
import type { Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { accessRoutes } from "./own-access.ts";
import { matrixRoutes } from "./matrix.ts";
import { roleRoutes } from "./roles.ts";
import { secondFactorRoutes } from "./second-factor.ts";
import { userRoutes } from "./user.ts";
import { userListRoutes } from "./users.ts";

/** The pages of who may do what: users, roles, and what somebody has signed in with. */
export function peopleArea(ui: Ui): Area {
  return {
    section: "people",
    menu: [
      { label: text("Users"), path: "/ui/users", icon: "users", permission: "users:read" },
      { label: text("Roles"), path: "/ui/roles", icon: "shield", permission: "roles:read" },
      { label: text("Permissions"), path: "/ui/permissions", icon: "lock", permission: "roles:read" },
    ],
    routes: new Elysia({ name: "xcore/ui/people" })
      .use(userListRoutes(ui))
      .use(userRoutes(ui))
      .use(roleRoutes(ui))
      .use(matrixRoutes(ui))
      .use(accessRoutes(ui))
      .use(secondFactorRoutes(ui)),
  };
}
