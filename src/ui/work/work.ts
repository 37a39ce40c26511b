import { Elysia } from "elysia";
import type { Area } from "../shell/menu.ts";
import type { Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { jobRoutes } from "./jobs.ts";
import { mailRoutes } from "./mails.ts";
import { taskRoutes } from "./tasks.ts";

/** The pages of what the server does by itself: background jobs, scheduled tasks and mail. */
export function workArea(ui: Ui): Area {
  return {
    section: "system",
    menu: [
      { label: text("Jobs"), path: "/ui/jobs", icon: "bolt", permission: "jobs:read" },
      { label: text("Tasks"), path: "/ui/tasks", icon: "calendar", permission: "tasks:read" },
      { label: text("Mail"), path: "/ui/mails", icon: "mail", permission: "mail:read" },
    ],
    routes: new Elysia({ name: "xcore/ui/work" }).use(jobRoutes(ui)).use(taskRoutes(ui)).use(mailRoutes(ui)),
  };
}
