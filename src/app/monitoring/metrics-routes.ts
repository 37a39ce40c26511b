import { Elysia } from "elysia";
import { assertPermission, type Guards } from "../../accounts/identity/guards.ts";
import { type Principals, unauthenticated } from "../../accounts/identity/principals.ts";
import { isSameText } from "../../accounts/keys/opaque-tokens.ts";
import type { Config } from "../../config/schema.ts";
import { sha256 } from "../../files/sha256.ts";
import { EXPOSITION_TYPE } from "../../metrics/exposition.ts";
import { createTrust } from "../../web/clients/site.ts";

export interface MetricsRoutesOptions {
  readonly settings: Config["monitoring"];
  readonly guards: Guards;
  readonly principals: Pick<Principals, "peek">;
  /** Address of the client of a request. */
  readonly addressOf: (request: Request) => string;
  /** Returns all figures, in the text format of Prometheus. */
  readonly write: () => Promise<string>;
}

const PERMISSION = "system:read";
const BEARER = /^bearer +/i;
const WITH_TOKEN = `This needs the token of monitoring.token, as "Authorization: Bearer ...", or the permission "${PERMISSION}"`;
const WITHOUT_TOKEN = `This needs the permission "${PERMISSION}": set monitoring.token or monitoring.allowed_addresses in config.json for a scraper`;

/** Serves what is measured to Prometheus: with the token, from an address that is allowed, or with the permission. */
export function metricsRoutes({ settings, guards, principals, addressOf, write }: MetricsRoutesOptions) {
  const app = new Elysia({ name: "xcore/metrics" }).use(guards);
  const { prometheus_endpoint: path, token, allowed_addresses: addresses } = settings;
  if (path === null) return app;
  const isAllowed = createTrust(addresses);
  // Digests are of one length: how long the token is can't be told either.
  const digest = token === null ? null : sha256(token);
  return app.get(
    path,
    async ({ request }) => {
      const presented = request.headers.get("authorization")?.replace(BEARER, "");
      const hasToken = digest !== null && presented !== undefined && isSameText(sha256(presented), digest);
      if (!hasToken && !isAllowed(addressOf(request))) {
        const principal = principals.peek(request);
        if (principal === null) throw unauthenticated(token === null ? WITHOUT_TOKEN : WITH_TOKEN);
        assertPermission(principal, PERMISSION);
      }
      return new Response(await write(), {
        headers: { "content-type": EXPOSITION_TYPE, "cache-control": "no-store" },
      });
    },
    {
      optionalAuth: true,
      // Where it is, and who may read it, is the matter of config.json.
      detail: { hide: true },
    },
  );
}
