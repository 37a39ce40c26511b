import type { AnyElysia } from "elysia";
import type { Origin } from "../accounts/identity/principal.ts";
import { parseByteSize } from "../config/schema.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Driver } from "../db/contract/driver.ts";
import type { PluginManager } from "../plugins/manager.ts";
import { type CoreMount, createCoreMount } from "../web/core-app.ts";
import { WebServer, type WebSettings } from "../web/server.ts";
import type { AppContext } from "./context.ts";

const MAX_USER_AGENT = 255; // characters

/** What the core serves beside its own pages, and what its health depends on. */
interface CoreParts {
  readonly database: Driver;
  readonly plugins: PluginManager;
  /** Those of the slices. */
  readonly routes: readonly AnyElysia[];
}

/** Builds the server; it has nothing mounted, and doesn't listen yet. */
export function createWeb({ live, loggers, answerError }: AppContext): WebServer {
  return new WebServer({
    settings: toWebSettings(live.loaded),
    answerError,
    logRequest: (line) => loggers.logRequest(line),
  });
}

/** Returns what config.json says of the server. */
export function toWebSettings({ config: { server } }: LoadedConfig): WebSettings {
  return {
    cors: server.cors,
    bodyLimit: parseByteSize(server.body_limit),
    trustedProxies: server.trusted_proxies,
  };
}

/** Returns what tells where a request under way comes from. */
export function createOriginOf(web: WebServer): (request: Request) => Origin {
  return (request) => {
    const userAgent = request.headers.get("user-agent") ?? "";
    return { ipAddress: web.addressOf(request), userAgent: userAgent.slice(0, MAX_USER_AGENT) };
  };
}

/** Returns what builds the mount of the core, as the configuration is then. */
export function createCoreBuilder(
  { version, live, answerError }: AppContext,
  { database, plugins, routes: slices }: CoreParts,
): () => CoreMount {
  const hasFailure = (): boolean => plugins.list().some(({ state }) => state === "failed");
  return () => {
    const { app, server } = live.loaded.config;
    return createCoreMount({
      appName: app.name,
      version,
      publicUrl: server.public_url,
      ping: () => database.ping(),
      checks: { plugins: () => (hasFailure() ? "failing" : "ok") },
      slices,
      pluginApps: () => plugins.apps(),
      answerError,
    });
  };
}
