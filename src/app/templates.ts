import { resolve } from "node:path";
import type { Accounts } from "../accounts/accounts.ts";
import { TITLE_LANGUAGES } from "../errors/problem.ts";
import { chooseLanguage, ENGLISH, type RequestGlobals, Templates } from "../templates/templates.ts";
import type { AppContext } from "./context.ts";

/** Builds what renders pages; nothing is loaded yet. */
export function createTemplates(context: AppContext, accounts: Accounts): Templates {
  const { live, toDisplayPath, loggers, inspects, isCommand } = context;
  const { directory, config } = live.loaded;
  return new Templates({
    directory: resolve(directory, config.templates.directory),
    toDisplayPath,
    watches: config.plugins.watch && !inspects && !isCommand,
    log: loggers.app,
    appName: () => live.loaded.config.app.name,
    theme: () => live.loaded.config.templates.theme,
    isDebug: () => live.loaded.config.app.debug,
    basePath: () => toBasePath(live.loaded.config.server.public_url),
    globalsOf: (request) => toGlobals(accounts, request),
  });
}

/** What pages are told of whoever asks for them. */
function toGlobals({ principals, browser }: Accounts, request: Request | null): RequestGlobals {
  const principal = request === null ? null : principals.peek(request);
  if (principal === null) return {};
  const { user, preferences, sessionId } = principal;
  return {
    user,
    ...preferences,
    // Made when a page asks for it. What has no session has no cookie that another site could have sent.
    get csrf_token() {
      return sessionId === null ? "" : browser.csrf.mint(sessionId);
    },
    can: (permission) => principals.permissionsOf(user)?.has(permission) ?? false,
  };
}

/** In which language whoever makes a request reads titles of problems: as they have chosen, else as their browser asks. */
export function toTitleLanguage({ principals }: Accounts, request: Request): string {
  const accepted = request.headers.get("accept-language");
  const chosen = principals.peek(request)?.preferences?.language ?? null;
  if (accepted === null && chosen === null) return ENGLISH;
  return chooseLanguage(TITLE_LANGUAGES, { chosen, accepted });
}

/** The path that everything is served below, as those see it who are outside; "" for none. */
export function toBasePath(publicUrl: string | null): string {
  return publicUrl === null ? "" : new URL(publicUrl).pathname.replace(/\/+$/, "");
}
