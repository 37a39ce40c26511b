import { Elysia, t } from "elysia";
import { toByteStream } from "../../web/answers.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import { BY_SESSION, FRESH_PASSWORD, toSessionOwner } from "../identity/session-owner.ts";
import type { ExportOptions } from "./export.ts";

export interface ExportRoutesOptions extends ExportOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
}

/** Serves all that is held of who asks, below `/auth`. */
export function exportRoutes({ guards, principals, originOf, ...options }: ExportRoutesOptions) {
  return new Elysia({ name: "xcore/export", prefix: "/auth", detail: { tags: ["auth"] } }).use(guards).post(
    "/export",
    async ({ body, request }) => {
      const owner = toSessionOwner(principals.require(request), originOf(request));
      const { exportAccount } = await import("./export.ts");
      const pieces = await exportAccount(options, owner, body?.current_password);
      return new Response(toByteStream(pieces), {
        headers: {
          "content-type": "application/json;charset=utf-8",
          "content-disposition": `attachment; filename="account-${owner.user.id}.json"`,
          "cache-control": "no-store",
        },
      });
    },
    {
      auth: true,
      rateLimit: { max: 10, window: 3600 },
      body: t.Optional(
        t.Object({
          current_password: t.Optional(
            t.String({ minLength: 1, maxLength: 1024, description: FRESH_PASSWORD }),
          ),
        }),
      ),
      detail: {
        summary: "Download all that is held of you, as JSON: from xcore itself and from plugins",
        ...BY_SESSION,
      },
    },
  );
}
