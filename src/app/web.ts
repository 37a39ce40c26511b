import type { Accounts } from "../accounts/accounts.ts";
import type { Origin } from "../accounts/identity/principal.ts";
import { parseByteSize } from "../config/schema.ts";
import type { LoadedConfig } from "../config/load.ts";
import { TITLE_LANGUAGES } from "../errors/problem.ts";
import { chooseLanguage } from "../templates/templates.ts";
import { WebServer, type WebSettings } from "../web/server.ts";
import type { AppContext } from "./context.ts";

/** What a form has beside its file, in bytes. */
const FORM_BYTES = 1_048_576;
const MAX_USER_AGENT = 255; // characters

/** Builds the server; it has nothing mounted, and doesn't listen yet. */
export function createWeb(
  { live, loggers, traffic, answerError, callers, limits, site }: AppContext,
  { authenticator, principals }: Accounts,
): WebServer {
  return new WebServer({
    limits,
    site,
    identify: async (request) => {
      await authenticator.authenticate(request);
      return principals.presentIdOf(request);
    },
    warn: (message) => loggers.app.warn(message),
    settings: toWebSettings(live.loaded),
    answerError,
    callers,
    takesRequest: (status) => loggers.takesRequest(status),
    logRequest: (line, request) => {
      const principal = principals.peek(request);
      if (principal !== null) {
        line.user_id = principal.user.id;
        line.viewer_id = principal.viewer?.id ?? null;
      }
      traffic.record(line);
      loggers.logRequest(line);
    },
  });
}

/** Returns what config.json says of the server. */
export function toWebSettings({ config: { server, storage } }: LoadedConfig): WebSettings {
  return {
    cors: server.cors,
    bodyLimit: parseByteSize(server.body_limit),
    formLimit: parseByteSize(storage.max_size) + FORM_BYTES,
    trustedProxies: server.trusted_proxies,
    hstsMaxAge: server.hsts_max_age,
    publicOrigin: server.public_url === null ? null : (URL.parse(server.public_url)?.origin ?? null),
  };
}

/** Returns what tells where a request under way comes from. */
export function createOriginOf(web: WebServer): (request: Request) => Origin {
  return (request) => {
    const { headers } = request;
    const userAgent = headers.get("user-agent") ?? "";
    const accepted = headers.get("accept-language");
    return {
      ipAddress: web.addressOf(request),
      userAgent: userAgent.slice(0, MAX_USER_AGENT),
      ...(accepted !== null && { language: chooseLanguage(TITLE_LANGUAGES, { chosen: null, accepted }) }),
    };
  };
}
