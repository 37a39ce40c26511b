import { Value } from "@sinclair/typebox/value";
import { isForm } from "../../web/clients/site.ts";
import { Elysia, t } from "elysia";
import { isNavigation } from "../browser/navigation.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import { BY_SESSION, FRESH_PASSWORD, toSessionOwner } from "../identity/session-owner.ts";
import { type LinkPageContext, readField, toProblem } from "../links/pages.ts";
import type { Deletions } from "./deletions.ts";
import { toKeepPage, toKeptPage, toNotKeptPage } from "./pages.ts";

const KeepBody = t.Object({
  token: t.String({ minLength: 1, maxLength: 256, description: "Of the mail, or of what a login answers" }),
});

export interface DeletionRoutesOptions extends Pick<LinkPageContext, "templates"> {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  readonly deletions: () => Promise<Deletions>;
}

/** Serves how an account is deleted by its owner, and kept after all, below `/auth/deletion`. */
export function deletionRoutes(options: DeletionRoutesOptions) {
  return new Elysia({ name: "xcore/deletion", prefix: "/auth/deletion", detail: { tags: ["auth"] } })
    .use(requestRoutes(options))
    .use(keepRoutes(options));
}

function requestRoutes({ guards, principals, originOf, deletions }: DeletionRoutesOptions) {
  return new Elysia({ name: "xcore/deletion/request" }).use(guards).post(
    "",
    async ({ body, request, status }) => {
      const owner = toSessionOwner(principals.require(request), originOf(request));
      const at = await (await deletions()).request(owner, body);
      return status(202, { deletion_at: at.toISOString() });
    },
    {
      auth: true,
      body: t.Object({
        email: t.String({ maxLength: 320, description: "Of the account, to confirm that it is meant" }),
        current_password: t.Optional(
          t.String({ minLength: 1, maxLength: 1024, description: FRESH_PASSWORD }),
        ),
      }),
      response: { 202: t.Object({ deletion_at: t.String({ format: "date-time" }) }) },
      detail: {
        summary: "Have your account deleted in 14 days; it can't be used until then, but be kept",
        ...BY_SESSION,
      },
    },
  );
}

/** Nobody is known here: whoever has the token could not be logged in. Opening a link changes nothing. */
function keepRoutes(options: DeletionRoutesOptions) {
  return new Elysia({ name: "xcore/deletion/keep" })
    .get("/keep", ({ query, request }) => show(options, request, query.token), {
      query: t.Object({ token: t.String({ default: "", maxLength: 256 }) }),
      detail: { summary: "Page that asks whether an account is to be kept", hide: true },
    })
    .post(
      "/keep",
      ({ body, request, status }) => keep(options, request, body.token, () => status(204, undefined)),
      {
        // The schema would come next, and answer a browser in JSON.
        transform: async ({ body, request }) => {
          if (!isForm(request) || Value.Check(KeepBody, body)) return;
          // oxlint-disable-next-line typescript/only-throw-error -- an answer, not an error
          throw await show(options, request, readField(body, "token"));
        },
        body: KeepBody,
        response: { 204: t.Void() },
        detail: { summary: "Keep an account that was to be deleted" },
      },
    );
}

async function show(
  { deletions, templates }: DeletionRoutesOptions,
  request: Request,
  token: string,
): Promise<Response> {
  const context = { templates, request };
  try {
    return await toKeepPage(context, { token, ...(await (await deletions()).read(token)) });
  } catch (error) {
    if (!isForm(request) && !isNavigation(request)) throw error;
    return toNotKeptPage(context, toProblem(error));
  }
}

async function keep<Done>(
  { deletions, originOf, templates }: DeletionRoutesOptions,
  request: Request,
  token: string,
  toDone: () => Done,
) {
  const context = { templates, request };
  try {
    await (await deletions()).keep(token, originOf(request));
    return isForm(request) ? await toKeptPage(context) : toDone();
  } catch (error) {
    if (!isForm(request)) throw error;
    return toNotKeptPage(context, toProblem(error));
  }
}
