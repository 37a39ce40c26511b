import type { Accounts } from "../accounts/accounts.ts";
import { accountRoutes } from "../accounts/routes.ts";
import { createJobDesk } from "../jobs/admin/desk.ts";
import type { Jobs } from "../jobs/jobs.ts";
import { jobRoutes } from "../jobs/routes.ts";
import type { Mail } from "../mail/mail.ts";
import { mailRoutes } from "../mail/routes.ts";
import { taskRoutes } from "../jobs/scheduler/routes.ts";
import type { Scheduler } from "../jobs/scheduler/scheduler.ts";
import { pluginRoutes } from "../plugins/admin/routes.ts";
import type { PluginManager } from "../plugins/manager.ts";
import { PluginInstaller } from "../plugins/remote/installer.ts";
import { toRemoteSettings } from "../plugins/remote/sources.ts";
import { resourceRoutes } from "../resources/admin/routes.ts";
import { savedViewRoutes } from "../resources/saved-views/routes.ts";
import { templateRoutes } from "../templates/routes.ts";
import { componentRoutes } from "../ui/component-gallery.ts";
import type { Templates } from "../templates/templates.ts";
import { fileRoutes } from "../storage/routes.ts";
import { type CoreApp, createCoreApp, createPingCheck } from "../web/core-app.ts";
import type { InFlight } from "../web/mounts.ts";
import type { WebServer } from "../web/server.ts";
import type { AppContext } from "./context.ts";
import { backupRoutes } from "./system/backup-routes.ts";
import { cacheRoutes } from "./system/cache-routes.ts";
import { configRoutes } from "./system/config-routes.ts";
import { logRoutes } from "./system/log-routes.ts";
import type { Figures } from "./monitoring/figures.ts";
import { metricsRoutes } from "./monitoring/metrics-routes.ts";
import { pathOf } from "./resource-paths.ts";
import type { AppStores } from "./stores.ts";
import { guideRoutes } from "./system/guide-routes.ts";
import { homeRoutes } from "./system/home-routes.ts";
import { statusRoutes } from "./system/status-routes.ts";
import { lazyUi } from "./ui.ts";
import { createOriginOf } from "./web.ts";

export type { CoreApp };

/** What the core's routes are built from. */
export interface CoreParts {
  readonly stores: AppStores;
  readonly accounts: Accounts;
  readonly jobs: Jobs;
  readonly tasks: Scheduler;
  readonly mail: Mail;
  readonly plugins: PluginManager;
  readonly web: WebServer;
  readonly templates: Templates;
  /** What is measured; null where nothing is. */
  readonly figures: (() => Promise<Figures>) | null;
  /** Of the application, as it was started. */
  readonly appName: string;
  /** Reads config.json again and configures the app with it. */
  readonly reloadConfig: () => Promise<void>;
}

/** Builds the routes of the slices; returns what builds the core's app with them, as the configuration is then. */
export function createCoreAppBuilder(
  context: AppContext,
  parts: CoreParts,
): (streams: InFlight["streams"]) => CoreApp {
  const { version, live, loggers, feed, hooks, answerError } = context;
  const { stores, accounts, jobs, tasks, mail, plugins, web, templates, figures, appName, reloadConfig } =
    parts;
  const { database, store } = stores;
  const originOf = createOriginOf(web);
  const administration = {
    manager: plugins,
    installer: createInstaller(context, stores, plugins),
    shared: stores.shared,
    log: loggers.manager,
    driver: database,
    reloadConfig,
    loaded: () => live.loaded,
    load: context.load,
    versionKey: stores.secretKey.deriveKey("versions of settings"),
  };
  const slices = [
    ...accountRoutes({
      accounts,
      store,
      hooks,
      templates,
      originOf,
      // It is answered with a page: what counts here is its line in the log.
      noteRefusal: (error, request) => void answerError(error, request, null),
    }),
    cacheRoutes({ cache: stores.cache, store, guards: accounts.guards, originOf }),
    configRoutes({ guards: accounts.guards, loaded: () => live.loaded }),
    logRoutes({ guards: accounts.guards, folder: context.logFolder, flush: () => loggers.flush() }),
    backupRoutes({
      guards: accounts.guards,
      store,
      originOf,
      identifyAgain: accounts.identifyAgain,
      version,
      loaded: () => live.loaded,
    }),
    jobRoutes({ jobs, store, guards: accounts.guards, originOf }),
    mailRoutes({ mail, store, guards: accounts.guards, originOf }),
    pluginRoutes({
      ...administration,
      store,
      openDesk: async () => createJobDesk(await jobs.backend()),
      hooks,
      guards: accounts.guards,
      identifyAgain: accounts.identifyAgain,
      originOf,
    }),
    resourceRoutes({
      resources: context.resources,
      db: store.db,
      guards: accounts.guards,
      users: accounts.users,
      permissionsOf: (user) => accounts.principals.permissionsOf(user),
      pathOf: (resource) => pathOf(resource, plugins),
      onError: (error, resource, rule) =>
        loggers.app.error({ err: error, resource, rule }, "a rule of a resource has failed"),
    }),
    savedViewRoutes({
      store,
      guards: accounts.guards,
      resources: context.resources,
      permissionsOf: (user) => accounts.principals.permissionsOf(user),
    }),
    guideRoutes({ guards: accounts.guards, templates }),
    homeRoutes({ guards: accounts.guards, templates, plugins, setup: accounts.setup }),
    templateRoutes({ templates }),
    lazyUi(context, parts),
    componentRoutes({ templates, guards: accounts.guards }),
    fileRoutes(stores.storage),
    statusRoutes({
      ...context,
      database,
      appName,
      plugins,
      workers: () => live.loaded.config.server.workers,
      guards: accounts.guards,
      permissionsOf: (user) => accounts.principals.permissionsOf(user),
      onError: (error, { plugin, name: card }) =>
        loggers.app.error({ err: error, plugin, card }, "a card of the dashboard can't be read"),
    }),
    taskRoutes({ tasks, store, guards: accounts.guards, originOf }),
  ];
  const hasFailure = (): boolean => plugins.list().some(({ state }) => state === "failed");
  return (streams) => {
    const { app, server, monitoring: settings } = live.loaded.config;
    const { guards, principals } = accounts;
    const measured = figures && {
      settings,
      guards,
      principals,
      addressOf: (request: Request) => web.addressOf(request),
      write: async () => (await figures()).write(),
    };
    return createCoreApp({
      streams,
      appName: app.name,
      version,
      publicUrl: server.public_url,
      ping: () => database.ping(),
      probe: () => database.probe(),
      guards: accounts.guards,
      isAdministrator: (request) => isAdministrator(accounts, request),
      checks: {
        plugins: () => (hasFailure() ? "failing" : "ok"),
        ...(live.loaded.config.backups.schedule !== null && {
          backups: createPingCheck(() => assertBackups(store)),
        }),
        ...(feed && { redis: () => (feed.isWorking ? "ok" : "failing") }),
      },
      slices: measured === null ? slices : [...slices, metricsRoutes(measured)],
      pluginApps: () => plugins.apps(),
      answerError,
    });
  };
}

/** Throws where the last scheduled backup has failed. */
async function assertBackups(store: AppStores["store"]): Promise<void> {
  const { readBackupState } = await import("../backups/schedule.ts");
  const { failure } = await readBackupState(store);
  if (failure !== null) throw new Error(failure);
}

/** Whether the request of a route that asks is of somebody who may do everything. */
function isAdministrator({ principals }: Accounts, request: Request): boolean {
  const principal = principals.find(request);
  return principal !== null && principals.permissionsOf(principal.user)?.has("*") === true;
}

/** Builds what adds plugins from elsewhere to the running app. */
function createInstaller(
  { live }: AppContext,
  { plugins: stores }: AppStores,
  plugins: PluginManager,
): PluginInstaller {
  return new PluginInstaller({
    configFile: live.loaded.file,
    stores,
    settings: () => toRemoteSettings(live.loaded),
    findLocal: async (name) => {
      const found = plugins
        .list()
        .find(({ source, name: other }) => source.remote === null && other === name);
      return found?.source.shown ?? null;
    },
  });
}
