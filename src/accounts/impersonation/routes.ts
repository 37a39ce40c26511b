import { Elysia, t } from "elysia";
import { RowId } from "../admin/answers.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import {
  BY_SESSION,
  type ConfirmOwner,
  FRESH_PASSWORD,
  requireAnySession,
  toSessionOwner,
} from "../identity/session-owner.ts";
import type { CookieSession } from "../sessions/sessions.ts";
import type { Impersonation } from "./impersonation.ts";
import { MAY_IMPERSONATE } from "./viewers.ts";

export interface ImpersonationRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  readonly impersonation: Impersonation;
  /** Asks who has shown nothing of the kind lately for the password again, or for a code. */
  readonly confirmOwner: ConfirmOwner;
  readonly credentials: {
    /** Gives the browser that has made a request the cookie of another session. */
    readonly renew: (request: Request, session: CookieSession) => Promise<void>;
    /** Takes the cookie from it. */
    readonly forget: (request: Request) => void;
  };
}

const Viewed = t.Object({
  user: t.Object({ id: t.Integer(), email: t.String(), full_name: t.Nullable(t.String()) }),
  expires_at: t.String({ format: "date-time", description: "When it ends by itself" }),
});

/** Serves viewing as somebody else: how it begins, below `/admin/users`, and ends, below `/auth`. */
export function impersonationRoutes(options: ImpersonationRoutesOptions) {
  const { guards, principals, originOf, impersonation, credentials } = options;
  return new Elysia({ name: "xcore/impersonation" })
    .use(guards)
    .post(
      "/admin/users/:id/impersonate",
      ({ params, body, request }) => begin(options, request, params.id, body),
      {
        permission: MAY_IMPERSONATE,
        params: RowId,
        body: t.Object({
          current_password: t.Optional(
            t.String({ minLength: 1, maxLength: 1024, description: `Your own. ${FRESH_PASSWORD}` }),
          ),
        }),
        response: { 200: Viewed },
        detail: {
          ...BY_SESSION,
          tags: ["admin"],
          summary: "See what a user sees: the browser that asks goes on as them",
          description: "It takes a session of a browser, whose cookie is replaced until the view ends.",
        },
      },
    )
    .delete(
      "/auth/impersonation",
      async ({ request, status }) => {
        const principal = principals.require(request);
        requireAnySession(principal);
        const own = await impersonation.end(principal, originOf(request));
        if (own === null) credentials.forget(request);
        else await credentials.renew(request, own);
        return status(204, undefined);
      },
      {
        auth: true,
        response: { 204: t.Void() },
        detail: { ...BY_SESSION, tags: ["auth"], summary: "View as somebody else no more" },
      },
    );
}

async function begin(
  { principals, originOf, impersonation, confirmOwner, credentials }: ImpersonationRoutesOptions,
  request: Request,
  id: number,
  { current_password: password }: { readonly current_password?: string },
): Promise<typeof Viewed.static> {
  const actor = { principal: principals.require(request), origin: originOf(request) };
  const owner = toSessionOwner(actor.principal, actor.origin);
  await confirmOwner(owner, { password, action: "user.impersonated" });
  const { session, user, expiresAt } = await impersonation.begin(actor, id);
  await credentials.renew(request, session);
  return { user, expires_at: expiresAt.toISOString() };
}
