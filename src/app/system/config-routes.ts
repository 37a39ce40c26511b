import { Elysia, t } from "elysia";
import type { Guards } from "../../accounts/identity/guards.ts";
import { describeConfig } from "../../config/description.ts";
import type { LoadedConfig } from "../../config/load.ts";

const Key = t.Object({
  key: t.String({ description: "Such as server.port" }),
  value: t.Unknown({ description: "What counts now; of secrets ***" }),
  default: t.Unknown(),
  source: t.String({
    description: "default, flag, environment, .env, plugin config, or the file with line and column",
  }),
  where: t.String({ description: "For people: the variable, or the line of the file" }),
  variable: t.String({ description: "The variable that sets it: XCORE_SERVER__PORT" }),
  description: t.String(),
});

export interface ConfigRoutesOptions {
  readonly guards: Guards;
  readonly loaded: () => LoadedConfig;
}

/** Serves the configuration that counts, and where each of it comes from. */
export function configRoutes({ guards, loaded }: ConfigRoutesOptions) {
  return new Elysia({ name: "xcore/config", prefix: "/system/config", detail: { tags: ["system"] } })
    .use(guards)
    .get("", () => ({ items: describeConfig(loaded()) }), {
      permission: "config:read",
      response: { 200: t.Object({ items: t.Array(Key) }) },
      detail: { summary: "Every key of the configuration, with secrets masked, and where it comes from" },
    });
}
