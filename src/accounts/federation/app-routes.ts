import { Elysia, t } from "elysia";
import { toAddressKey } from "../../web/clients/site.ts";
import type { Origin } from "../identity/principal.ts";
import type { Attempts } from "../identity/session-owner.ts";
import { OtpChallenge } from "../login/routes.ts";
import { Tokens } from "../sessions/routes.ts";
import type { Providers } from "./on-demand.ts";

export interface AppRoutesOptions {
  readonly originOf: (request: Request) => Origin;
  readonly providers: Providers;
  /** Counts sign-ins by address. */
  readonly limits: Attempts;
}

/** Serves the exchange of codes that apps get for their users. */
export function appRoutes({ originOf, providers, limits }: AppRoutesOptions) {
  return new Elysia({ name: "xcore/providers/apps", prefix: "/providers" }).post(
    "/token",
    async ({ body, request, set }) => {
      // RFC 6749, section 5.1: what holds tokens is kept by nobody on the way.
      set.headers["cache-control"] = "no-store";
      const origin = originOf(request);
      const giveBack = await limits.take(toAddressKey(origin.ipAddress));
      const { federation } = await providers.load();
      const answer = await federation.exchange(body, origin);
      giveBack();
      return answer;
    },
    {
      body: t.Object({
        code: t.String({
          minLength: 1,
          maxLength: 256,
          description: "That the app's user has come back with",
        }),
        code_verifier: t.String({
          pattern: "^[A-Za-z0-9._~-]{43,128}$",
          description: "Of PKCE: what the app has kept for itself",
        }),
      }),
      response: t.Union([Tokens, OtpChallenge]),
      detail: {
        summary: "Exchange the code of a sign-in by a provider for tokens, for an app that has begun it",
      },
    },
  );
}
