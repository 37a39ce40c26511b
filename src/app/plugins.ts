import { resolve } from "node:path";
import type { Accounts } from "../accounts/accounts.ts";
import { createLogConsole } from "../log/console.ts";
import { declareCore } from "../db/schema/schema.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Mail } from "../mail/mail.ts";
import type { Scheduler } from "../jobs/scheduler/scheduler.ts";
import type { BackgroundImports } from "../resources/import-jobs/imports.ts";
import { PluginCommands } from "../plugins/given/commands.ts";
import { PluginManager, type PluginSettings } from "../plugins/manager.ts";
import { toRemoteSettings } from "../plugins/remote/sources.ts";
import type { PluginServices } from "../plugins/runtime/host.ts";
import type { Templates } from "../templates/templates.ts";
import { Turns } from "../plugins/build/turns.ts";
import type { WebServer } from "../web/server.ts";
import { pathOf } from "./resource-paths.ts";
import type { AppContext } from "./context.ts";
import type { AppStores } from "./stores.ts";

export interface PluginOptions {
  /** @default 30 seconds */
  readonly setupTimeoutMs?: number;
  /** @default 30 seconds */
  readonly drainTimeoutMs?: number;
  /** Gets what timers of plugins throw. @default it is logged */
  readonly onUncaught?: PluginServices["onUncaught"];
}

/** The parts of the app that plugins stand on. */
interface Parts {
  readonly stores: AppStores;
  readonly accounts: Accounts;
  readonly jobs: Jobs;
  readonly tasks: Scheduler;
  readonly mail: Mail;
  readonly background: BackgroundImports;
  readonly web: WebServer;
  readonly templates: Templates;
}

/** Builds the manager of plugins, which mounts them; nothing is loaded yet. */
export function createPlugins(context: AppContext, parts: Parts, options: PluginOptions): PluginManager {
  const { live, loggers, hooks, stackTraces, toDisplayPath, answerError, inspects, isCommand } = context;
  const { shutdown, activity } = context;
  const { stores, accounts, web, templates } = parts;
  const { database, store } = stores;
  const { setupTimeoutMs = 30_000, drainTimeoutMs = 30_000 } = options;
  const { onUncaught = (error, thrower) => loggers.app.error({ err: error, ...thrower }, "uncaught error") } =
    options;
  const manager: PluginManager = new PluginManager({
    host: {
      given: {
        hooks,
        log: loggers.app,
        createConsole: (log) =>
          inspects || isCommand
            ? console
            : createLogConsole(log, { mapStack: (text) => stackTraces.map(text) }),
        commands: new PluginCommands(),
        ...workOf(parts),
        ...registriesOf(context),
        pathOf: (resource) => pathOf(resource, manager),
        onUncaught,
        mayEnd: isCommand,
        ...keptOf(stores),
        accounts,
        templates,
        core: declareCore(database.tableMakers, store.tables),
      },
      web: {
        answerError,
        isOpen: (request) => web.isOpen(request),
        drain: (inFlight, limits) => web.drain(inFlight, limits),
        serverFor: (owner) => web.serverFor(owner),
      },
      lifeCycle: {
        log: loggers.manager,
        packages: stores.plugins.packages,
        bundles: stores.bundles,
        autoMigrate: () => live.loaded.config.database.auto_migrate,
        upgrade: stores.upgrade,
        stackTraces,
        turns: new Turns(),
        activity,
        toDisplayPath,
        runsSetup: !inspects,
        setupTimeoutMs,
        drainTimeoutMs,
        shutdown,
      },
    },
    remote: stores.plugins,
    settings: toPluginSettings(context, stores),
    publish: (mounts) => web.mountPlugins(mounts),
    tellsMistakes: !isCommand,
  });
  templates.isPlugin = (name) => manager.list().some((plugin) => plugin.name === name);
  return manager;
}

/** What plugins add to, and what measures them. */
function registriesOf({ resources, changes, cards, monitoring }: AppContext) {
  return { resources, changes, cards, monitoring };
}

/** What plugins have done outside of requests. */
function workOf({
  jobs,
  tasks,
  mail,
  background,
}: Parts): Pick<Parts, "jobs" | "tasks" | "mail" | "background"> {
  return { jobs, tasks, mail, background };
}

/** Of what the app keeps, what plugins are given. */
function keptOf({ database, cache, storage }: AppStores): Pick<AppStores, "database" | "cache" | "storage"> {
  return { database, cache, storage };
}

/** Returns what config.json says of plugins now. */
export function toPluginSettings(
  { live: { loaded }, inspects, isCommand }: AppContext,
  { shared }: Pick<AppStores, "shared">,
): PluginSettings {
  const { directory, watch, settings } = loaded.config.plugins;
  return {
    directory: resolve(loaded.directory, directory),
    watch: watch && !inspects && !isCommand,
    remote: toRemoteSettings(loaded),
    settings,
    asked: shared?.asked.active ?? new Map<string, boolean>(),
  };
}
