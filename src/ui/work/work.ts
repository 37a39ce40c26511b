import { Elysia } from "elysia";
import type { Area } from "../shell/menu.ts";
import type { Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { jobRoutes } from "./jobs.ts";
import { taskRoutes } from "./tasks.ts";

/** The pages of what the server does by itself: background jobs and scheduled tasks. */
export function workArea(ui: Ui): Area {
  return {
    section: "system",
    menu: [
      { label: text("Jobs"), path: "/ui/jobs", icon: "bolt", permission: "jobs:read" },
      { label: text("Tasks"), path: "/ui/tasks", icon: "calendar", permission: "tasks:read" },
    ],
    routes: new Elysia({ name: "xcore/ui/work" }).use(jobRoutes(ui)).use(taskRoutes(ui)),
  };
}
