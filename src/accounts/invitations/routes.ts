import { Elysia, t } from "elysia";
import { listOf, page } from "../../db/paging/paginate.ts";
import type { Actor } from "../admin/administration.ts";
import { RowId, Time } from "../admin/answers.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import type { InvitationServices } from "./invitations.ts";

export interface InvitationRoutesOptions extends InvitationServices {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
}

const MAX_ROLES = 100;
const Invitation = t.Object({
  id: t.Integer(),
  email: t.String(),
  roles: t.Array(t.Object({ id: t.Integer(), name: t.String() })),
  invited_by: t.Nullable(
    t.Object({ id: t.Integer(), email: t.String() }, { description: "Null for the command line" }),
  ),
  is_mailed: t.Boolean({ description: "Whether its link went by mail" }),
  sent_at: Time,
  expires_at: Time,
  created_at: Time,
});
const Sent = t.Object({
  ...Invitation.properties,
  link: t.Nullable(
    t.String({ description: "To be passed on where no mail is sent; null where it has been mailed" }),
  ),
});
const ExpiresIn = t.Optional(
  t.Integer({ minimum: 300, maximum: 90 * 86_400, description: "In seconds; a week when left out" }),
);

/** Serves invitations to who may make accounts, below `/admin/invitations`. */
export function invitationRoutes(options: InvitationRoutesOptions) {
  return new Elysia({
    name: "xcore/admin/invitations",
    prefix: "/admin/invitations",
    detail: { tags: ["admin"] },
  })
    .use(listRoutes(options))
    .use(oneRoutes(options));
}

function listRoutes(options: InvitationRoutesOptions) {
  const { guards, store } = options;
  return new Elysia({ name: "xcore/admin/invitations/list" })
    .use(guards)
    .get("", async ({ query }) => (await load()).listInvitations(store, query), {
      permission: "users:read",
      query: page,
      response: { 200: listOf(Invitation) },
      detail: { summary: "Invitations that are open; sort by id, email, expires_at or created_at" },
    })
    .post(
      "",
      async ({ body, request, status }) =>
        status(201, await (await load()).invite(options, toActor(options, request), body)),
      {
        permission: "users:write",
        idempotent: true,
        body: t.Object({
          email: t.String({ minLength: 3, maxLength: 1024 }),
          roles: t.Optional(
            t.Array(RowId.properties.id, {
              maxItems: MAX_ROLES,
              description: 'Ids of roles; the built-in role "user" when left out',
            }),
          ),
          expires_in: ExpiresIn,
        }),
        response: { 201: Sent },
        detail: { summary: "Invite somebody by mail; replaces an invitation for the same email" },
      },
    );
}

function oneRoutes(options: InvitationRoutesOptions) {
  const { guards, store } = options;
  return new Elysia({ name: "xcore/admin/invitations/one" })
    .use(guards)
    .get("/:id", async ({ params }) => (await load()).readInvitation(store, params.id), {
      permission: "users:read",
      params: RowId,
      response: { 200: Invitation },
      detail: { summary: "One invitation" },
    })
    .post(
      "/:id/resend",
      async ({ params, body, request }) =>
        (await load()).resend(options, toActor(options, request), params.id, body ?? {}),
      {
        permission: "users:write",
        params: RowId,
        body: t.Optional(t.Object({ expires_in: ExpiresIn })),
        response: { 200: Sent },
        detail: { summary: "Send an invitation anew; its link of before is void" },
      },
    )
    .delete(
      "/:id",
      async ({ params, request, status }) =>
        status(204, await (await load()).revoke(options, toActor(options, request), params.id)),
      {
        permission: "users:write",
        params: RowId,
        response: { 204: t.Void() },
        detail: { summary: "Take an invitation back" },
      },
    );
}

function toActor({ principals, originOf }: InvitationRoutesOptions, request: Request): Actor {
  return { principal: principals.require(request), origin: originOf(request) };
}

function load() {
  return import("./invitations.ts");
}
