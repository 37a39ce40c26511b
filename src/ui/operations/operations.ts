import { Elysia } from "elysia";
import type { Area } from "../shell/menu.ts";
import type { Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { backupRoutes } from "./backups.ts";
import { cacheRoutes } from "./cache.ts";
import { recordRoutes } from "./records.ts";

/** The pages of those who look after the server: what it says and keeps, and how it is set. */
export function operationsArea(ui: Ui): Area {
  return {
    section: "system",
    menu: [
      { label: text("Logs"), path: "/ui/logs", icon: "list", permission: "logs:read" },
      { label: text("Audit log"), path: "/ui/audit", icon: "clock", permission: "audit:read" },
      { label: text("Cache"), path: "/ui/cache", icon: "server", permission: "cache:read" },
      { label: text("Backups"), path: "/ui/backups", icon: "archive", permission: "backups:read" },
      { label: text("Configuration"), path: "/ui/config", icon: "cog", permission: "config:read" },
    ],
    routes: new Elysia({ name: "xcore/ui/operations" })
      .use(recordRoutes(ui))
      .use(cacheRoutes(ui))
      .use(backupRoutes(ui)),
  };
}
