import { Elysia, t } from "elysia";
import { listOf, page } from "../../db/paging/paginate.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import { BY_SESSION, toSessionOwner } from "../identity/session-owner.ts";
import type { Sessions } from "./sessions.ts";

/** What somebody who has logged in gets. */
export const Tokens = t.Object({
  access_token: t.String({ description: "For the header authorization: Bearer \u2026" }),
  refresh_token: t.String({ description: "Exchanged once at /auth/refresh" }),
  token_type: t.Literal("bearer"),
  expires_in: t.Integer({ description: "Of the access token, in seconds" }),
});

/** A session in an answer. */
export const Session = t.Object({
  id: t.String({ format: "uuid" }),
  current: t.Boolean({ description: "Whether it is the one that asks" }),
  has_otp: t.Boolean({ description: "Whether a second factor was given" }),
  ip_address: t.String({ description: "Where it was last refreshed from, or signed in with a browser" }),
  user_agent: t.String(),
  created_at: t.String({ format: "date-time" }),
  last_used_at: t.String({
    format: "date-time",
    description: "When it was last refreshed, or its cookie used, to the minute",
  }),
  expires_at: t.String({ format: "date-time" }),
});

export interface SessionRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  readonly sessions: Sessions;
}

/** Serves the exchange of refresh tokens, and the sessions that somebody has, below `/auth`. */
export function sessionRoutes({ guards, principals, originOf, sessions }: SessionRoutesOptions) {
  const ownerOf = (request: Request) => toSessionOwner(principals.require(request), originOf(request));
  return new Elysia({ name: "xcore/sessions", prefix: "/auth", detail: { tags: ["auth"] } })
    .use(guards)
    .onBeforeHandle(({ set }) => {
      // RFC 6749, section 5.1: what holds tokens is kept by nobody on the way.
      set.headers["cache-control"] = "no-store";
    })
    .post("/refresh", ({ body, request }) => sessions.refresh(body.refresh_token, originOf(request)), {
      body: t.Object({ refresh_token: t.String({ minLength: 1, maxLength: 1024 }) }),
      response: Tokens,
      detail: { summary: "Exchange a refresh token for new tokens, once" },
    })
    .get("/sessions", ({ request, query }) => sessions.list(ownerOf(request), query), {
      auth: true,
      query: page,
      response: listOf(Session),
      detail: { summary: "Where the user is logged in", ...BY_SESSION },
    })
    .delete("/sessions", async ({ request }) => ({ ended: await sessions.revokeOthers(ownerOf(request)) }), {
      auth: true,
      response: t.Object({ ended: t.Integer() }),
      detail: { summary: "End all sessions but the one that asks", ...BY_SESSION },
    })
    .delete(
      "/sessions/:id",
      async ({ request, params, status }) => status(204, await sessions.revoke(ownerOf(request), params.id)),
      {
        auth: true,
        params: t.Object({ id: t.String({ format: "uuid" }) }),
        response: { 204: t.Void() },
        detail: { summary: "End a session", ...BY_SESSION },
      },
    );
}
