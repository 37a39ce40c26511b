import { Value } from "@sinclair/typebox/value";
import { Elysia, t } from "elysia";
import { isForm, toAddressKey } from "../../web/clients/site.ts";
import { isNavigation } from "../browser/navigation.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import type { Attempts } from "../identity/session-owner.ts";
import type { Afterwork } from "../links/afterwork.ts";
import { type LinkPageContext, readField, toProblem } from "../links/pages.ts";
import { normalizeEmail } from "../people/emails.ts";
import type { MailArrival } from "../people/send-mail.ts";
import { toForgotPage, toForgotSentPage, toGonePage, toResetDonePage, toResetPage } from "./pages.ts";
import { LINK_SECONDS, type Recovery } from "./recovery.ts";

const ForgotBody = t.Object({ email: t.String({ minLength: 1, maxLength: 320 }) });
const ResetBody = t.Object({
  token: t.String({ minLength: 1, maxLength: 256, description: "Of the link" }),
  new_password: t.String({ minLength: 1, maxLength: 1024 }),
  revoke_api_keys: t.Optional(
    t.Union([t.Boolean(), t.Literal("on")], { description: "Whether the API keys of the account end too" }),
  ),
});

export interface RecoveryRoutesOptions extends Pick<LinkPageContext, "templates"> {
  readonly recovery: Recovery;
  readonly afterwork: Pick<Afterwork, "add">;
  readonly originOf: (request: Request) => Origin;
  /** How many ask from one address. */
  readonly limit: Attempts;
  /** Where mail of this server arrives. */
  readonly mailArrival: () => MailArrival;
}

/**
 * Serves the way back into an account, below `/auth/password`: nobody is known there, so that no other site can do anything in
 * somebody's name. Opening a link changes nothing.
 */
export function recoveryRoutes(options: RecoveryRoutesOptions) {
  const { templates, mailArrival } = options;
  return new Elysia({ name: "xcore/recovery", prefix: "/auth/password", detail: { tags: ["auth"] } })
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "no-store";
    })
    .get("/forgot", ({ request }) => toForgotPage({ templates, request }, mailArrival()), {
      detail: { summary: "Page that asks for whom a new password is", hide: true },
    })
    .post(
      "/forgot",
      ({ body, request, status }) =>
        askFor(options, request, body.email, () => status(202, { expires_in: LINK_SECONDS })),
      {
        // The schema would come next, and answer a browser in JSON.
        transform: async ({ body, request }) => {
          if (!isForm(request) || Value.Check(ForgotBody, body)) return;
          const problem = fail("validation_error", "Give your email, of at most 320 characters");
          // oxlint-disable-next-line typescript/only-throw-error -- an answer, not an error
          throw await toForgotPage({ templates, request }, mailArrival(), { problem });
        },
        body: ForgotBody,
        response: {
          202: t.Object({
            expires_in: t.Integer({ description: "How long such a link is good for, in seconds" }),
          }),
        },
        detail: {
          summary: "Have a link for a new password sent",
          description: "The answer is the same whether or not there is such an account.",
        },
      },
    )
    .get("/reset", ({ query, request }) => showReset(options, request, query.token), {
      query: t.Object({ token: t.String({ default: "", maxLength: 256 }) }),
      detail: { summary: "Page that asks for the new password", hide: true },
    })
    .post(
      "/reset",
      ({ body, request, status }) => reset(options, request, body, () => status(204, undefined)),
      {
        transform: async ({ body, request }) => {
          if (!isForm(request) || Value.Check(ResetBody, body)) return;
          const problem = fail(
            "validation_error",
            "Give a password, of at most 1024 characters, and open the link as it was sent",
          );
          // oxlint-disable-next-line typescript/only-throw-error -- an answer, not an error
          throw await showReset(options, request, readField(body, "token"), problem);
        },
        body: ResetBody,
        response: { 204: t.Void() },
        detail: { summary: "Set a new password by the token of such a link, and end all sessions" },
      },
    );
}

async function askFor<Done>(
  { recovery, afterwork, originOf, limit, templates, mailArrival }: RecoveryRoutesOptions,
  request: Request,
  email: string,
  toDone: () => Done,
) {
  const context = { templates, request };
  try {
    const origin = originOf(request);
    await limit.take(toAddressKey(origin.ipAddress));
    const normal = normalizeEmail(email);
    afterwork.add("a link for a new password", () => recovery.send(normal, origin));
    return isForm(request) ? await toForgotSentPage(context, normal, mailArrival()) : toDone();
  } catch (error) {
    if (!isForm(request)) throw error;
    return toForgotPage(context, mailArrival(), { email, problem: toProblem(error) });
  }
}

async function showReset(
  { recovery, templates }: RecoveryRoutesOptions,
  request: Request,
  token: string,
  problem = null as ReturnType<typeof toProblem> | null,
): Promise<Response> {
  const context = { templates, request };
  try {
    const found = await recovery.read(token);
    return await toResetPage(context, { token, ...found, problem });
  } catch (error) {
    if (!isForm(request) && !isNavigation(request)) throw error;
    return toGonePage(context, toProblem(error));
  }
}

async function reset<Done>(
  options: RecoveryRoutesOptions,
  request: Request,
  { revoke_api_keys, ...given }: typeof ResetBody.static,
  toDone: () => Done,
) {
  const { recovery, originOf, templates } = options;
  try {
    const revokes = revoke_api_keys === true || revoke_api_keys === "on";
    await recovery.reset({ ...given, revoke_api_keys: revokes }, originOf(request));
    return isForm(request) ? await toResetDonePage({ templates, request }) : toDone();
  } catch (error) {
    if (!isForm(request)) throw error;
    return showReset(options, request, given.token, toProblem(error));
  }
}
