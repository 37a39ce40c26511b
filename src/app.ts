import { resolve } from "node:path";
import { parseByteSize } from "./config/byte-size.ts";
import type { LoadedConfig } from "./config/load.ts";
import { createHookBus, type HookBus } from "./hooks/bus.ts";
import { createLoggers, type Loggers } from "./log/loggers.ts";
import { createDisplayPath } from "./plugins/display-path.ts";
import type { PluginHost } from "./plugins/generation.ts";
import { PluginManager, type PluginSettings } from "./plugins/manager.ts";
import { pluginRoutes } from "./plugins/routes.ts";
import { StackTraces } from "./plugins/stack-traces.ts";
import { createCoreMount } from "./web/core-app.ts";
import { createErrorAnswer } from "./web/error-answers.ts";
import { type Mount, MountTable } from "./web/mounts.ts";
import { WebServer, type WebSettings } from "./web/server.ts";

export interface AppOptions {
  readonly loaded: LoadedConfig;
  readonly version: string;
  /** Loads plugins only to look at them: no `setup`, no watching, no log but of failures. */
  readonly inspects?: boolean;
  /** @default 30 seconds */
  readonly setupTimeoutMs?: number;
  /** @default 30 seconds */
  readonly drainTimeoutMs?: number;
}

/** One xcore application: its services, wired together, with nothing running yet. */
export interface App {
  readonly loggers: Loggers;
  readonly hooks: HookBus;
  readonly plugins: PluginManager;
  readonly web: WebServer;
  readonly stackTraces: StackTraces;
  /** Path to show for a file: relative to the folder of config.json. */
  readonly toDisplayPath: (file: string) => string;
  /** The OpenAPI 3.1 document of everything that is served now. */
  openApi(): Record<string, unknown>;
  /** Applies a changed configuration to the running app; resolves once the plugins follow it. */
  configure(loaded: LoadedConfig): Promise<void>;
}

/** Builds the services and mounts the slices. */
export function createApp(options: AppOptions): App {
  const { loaded, version, inspects = false, setupTimeoutMs = 30_000, drainTimeoutMs = 30_000 } = options;
  let config = loaded.config;

  const stackTraces = new StackTraces();
  const toDisplayPath = createDisplayPath(loaded.directory);
  const loggers = createLoggers({
    ...config.logging,
    level: inspects ? "silent" : config.logging.level,
    directory: inspects ? null : resolve(loaded.directory, config.logging.directory),
    mapStack: (stack) => stackTraces.map(stack),
  });
  const hooks = createHookBus({
    onError: (error, { event, source, reason }) =>
      loggers.app.error({ err: error, event, plugin: source, reason }, "hook handler failed"),
  });
  const answerError = createErrorAnswer({ log: loggers.app, isDebug: () => config.app.debug });

  const host: PluginHost = {
    hooks,
    log: loggers.app,
    stackTraces,
    answerError,
    isOpen: (request) => web.isOpen(request),
    serverFor: (inFlight) => web.serverFor(inFlight),
    toDisplayPath,
    runsSetup: !inspects,
    setupTimeoutMs,
    drainTimeoutMs,
  };
  const plugins: PluginManager = new PluginManager({
    host,
    log: loggers.manager,
    settings: toPluginSettings(loaded, inspects),
    publish: (mounts) => {
      pluginMounts = mounts;
      web.swap(new MountTable(core, mounts));
    },
  });

  const mountCore = () =>
    createCoreMount({
      appName: config.app.name,
      version,
      publicUrl: config.server.public_url,
      checks: { plugins: () => (plugins.list().some(({ state }) => state === "failed") ? "failing" : "ok") },
      slices: [pluginRoutes({ manager: plugins, hooks, toDisplayPath })],
      pluginApps: () => plugins.apps(),
      answerError,
    });
  let core = mountCore();
  let pluginMounts: readonly Mount[] = [];
  const web = new WebServer({
    table: new MountTable(core, pluginMounts),
    settings: toWebSettings(loaded),
    answerError,
    logRequest: (line) => loggers.logRequest(line),
  });

  return {
    loggers,
    hooks,
    plugins,
    web,
    stackTraces,
    toDisplayPath,
    openApi: () => core.openApi(),
    async configure(next) {
      config = next.config;
      loggers.setLevel(config.logging.level);
      web.configure(toWebSettings(next));
      core = mountCore();
      web.swap(new MountTable(core, pluginMounts));
      await plugins.configure(toPluginSettings(next, inspects));
    },
  };
}

function toPluginSettings({ config, directory }: LoadedConfig, inspects: boolean): PluginSettings {
  return {
    directory: resolve(directory, config.plugins.directory),
    watch: config.plugins.watch && !inspects,
    settings: config.plugins.settings,
  };
}

function toWebSettings({ config }: LoadedConfig): WebSettings {
  return { cors: config.server.cors, bodyLimit: parseByteSize(config.server.body_limit) };
}
