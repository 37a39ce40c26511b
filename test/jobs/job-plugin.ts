import type { ConfigOverrides } from "../../src/config/schema.ts";
import { type Files, TestApp } from "../setup.ts";

/** A plugin "chores" with jobs, and a table "chores_notes". */
export function jobPlugin(code: string, manifest: object = {}): Files {
  return {
    "chores/plugin.json": { name: "chores", version: "1.0.0", ...manifest },
    "chores/run.ts": `
      import { t } from "elysia";
      import { createRouter, db, hooks, jobs, log } from "xcore";
      import { notes } from "./schema.ts";
      ${code}
    `,
    "chores/schema.ts": `
      import { id, table, text } from "xcore/schema";
      export const notes = table("chores_notes", { id: id(), text: text() });
    `,
    "chores/drizzle/sqlite/0000_notes.sql":
      "CREATE TABLE `chores_notes` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `text` text);",
  };
}

export function startWithJobs(config: ConfigOverrides, code: string): Promise<TestApp> {
  return TestApp.start({ config, plugins: jobPlugin(code) });
}

/** Posts JSON to the plugin. */
export function send(app: TestApp, body: object): Promise<Response> {
  return app.fetch("/chores", {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
}

/** Makes a request as an administrator. */
export async function manage(app: TestApp, method: string, path: string, body?: object): Promise<Response> {
  const { headers } = await app.admin();
  return app.fetch(`/system/jobs${path}`, {
    method,
    headers: { ...headers, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
}
