import { Elysia } from "elysia";
import type { Accounts } from "../accounts/accounts.ts";
import type { PluginManager } from "../plugins/manager.ts";
import type { Templates } from "../templates/templates.ts";
import type { UiApp } from "../ui/ui.ts";
import type { WebServer } from "../web/server.ts";
import type { AppContext } from "./context.ts";
import type { AppStores } from "./stores.ts";

/** What the interface is built from. */
export interface UiParts {
  readonly stores: Pick<AppStores, "secretKey">;
  readonly accounts: Accounts;
  readonly plugins: PluginManager;
  readonly web: WebServer;
  readonly templates: Templates;
}

const SAFE = new Set(["GET", "HEAD"]);

/** Serves the pages of the administration below /ui; they are loaded and built when the first is asked for. */
export function lazyUi(context: AppContext, parts: UiParts) {
  let loading: Promise<UiApp> | null = null;
  const ready = (): Promise<UiApp> => (loading ??= load(context, parts));
  const answer = async ({ request }: { request: Request }) => (await ready()).fetch(request);
  parts.templates.loadShell = async () => (await ready()).shellOf;
  return new Elysia({ name: "xcore/ui/lazy", detail: { hide: true } })
    .all("/ui", answer)
    .all("/ui/*", answer)
    .get("/static/xcore/:hash/:file", answer);
}

async function load({ version, answerError, resources }: AppContext, parts: UiParts): Promise<UiApp> {
  const { stores, accounts, plugins, web, templates } = parts;
  const { principals, guards, browser } = accounts;
  const { createUiApp } = await import("../ui/ui.ts");
  return createUiApp({
    guards,
    version,
    answerError,
    resources: () => resources.list(),
    flashKey: stores.secretKey.deriveKey("flash"),
    render: (name, data, options) => templates.render(name, data, options),
    pluginMenu: () => toMenu(plugins),
    userOf: (request) => principals.peek(request)?.user ?? null,
    mailArrival: accounts.mailArrival,
    personOf: (request) => principals.presentIdOf(request),
    can(request, permission) {
      const principal = principals.peek(request);
      return principal !== null && principals.permissionsOf(principal.user)?.has(permission) === true;
    },
    answerFor: (client, request) => web.answerFor(client, request),
    proofFor(client) {
      // What only reads may have been asked for by anybody's page.
      const sessionId = SAFE.has(client.method) ? null : (principals.peek(client)?.sessionId ?? null);
      return sessionId === null ? null : browser.csrf.mint(sessionId);
    },
  });
}

/** What the plugins that serve say of themselves in their manifests. */
function toMenu(plugins: PluginManager) {
  return plugins
    .list()
    .flatMap(({ current, name: plugin }) =>
      (current?.manifest.menu ?? []).map(({ title, ...entry }) => ({ ...entry, label: title, plugin })),
    );
}
