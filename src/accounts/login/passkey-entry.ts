import { Elysia, t } from "elysia";
import { isForm, type Site } from "../../web/clients/site.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import { AnswerField, PasskeyAnswer, readAnswer, RequestOptions } from "../passkeys/answers.ts";
import { findRelyingParty } from "../passkeys/relying-party.ts";
import { answerScript } from "../passkeys/script.ts";
import { Tokens } from "../sessions/routes.ts";
import type { TokenPair } from "../sessions/sessions.ts";
import type { Login } from "./login.ts";

/** What signs somebody in: from our page as JSON in a field of its form. */
export interface PasskeyForm {
  readonly credential: string | PasskeyAnswer;
  readonly otp_token?: string | undefined;
}

/** Answers the forms that browsers send from our pages with a passkey. */
export interface PasskeyForms {
  /** @param next where to go on to, as it was sent */
  takePasskey(request: Request, given: PasskeyForm, next: string | undefined): Promise<Response>;
}

export interface PasskeyEntryOptions {
  readonly guards: Guards;
  readonly originOf: (request: Request) => Origin;
  readonly site: Site;
  readonly login: Login<TokenPair>;
  /** @default browsers are answered as any other client */
  readonly forms?: PasskeyForms | null;
}

const OtpToken = t.Optional(
  t.String({ maxLength: 4096, description: "Of a right password: the passkey is the second step then" }),
);
const Next = t.Object({
  next: t.Optional(
    t.String({ maxLength: 4096, description: "Where a browser goes on to: a path of this server" }),
  ),
});

/** Serves logging in with a passkey, below `/login`. */
export function passkeyEntryRoutes({ guards, login, forms = null, site, originOf }: PasskeyEntryOptions) {
  return new Elysia({ name: "xcore/auth/passkeys", prefix: "/login" })
    .use(guards)
    .get("/passkey.js", ({ request }) => answerScript(request), {
      detail: { summary: "What the pages ask for passkeys with", hide: true },
    })
    .post(
      "/passkey/options",
      ({ body, request }) =>
        login.toPasskeyRequest(body?.otp_token, findRelyingParty(site, request), originOf(request)),
      {
        body: t.Optional(t.Object({ otp_token: OtpToken })),
        response: RequestOptions,
        detail: { summary: "What a browser asks a passkey by, to log in with it" },
      },
    )
    .post(
      "/passkey",
      ({ body, query, request }) =>
        forms !== null && isForm(request)
          ? forms.takePasskey(request, body, query.next)
          : login.withPasskey(
              { credential: readAnswer(body.credential), otp_token: body.otp_token },
              findRelyingParty(site, request),
              originOf(request),
            ),
      {
        query: Next,
        body: t.Object({ credential: t.Union([PasskeyAnswer, AnswerField]), otp_token: OtpToken }),
        response: Tokens,
        detail: { summary: "Log in with a passkey, or take the second step with it" },
      },
    );
}
