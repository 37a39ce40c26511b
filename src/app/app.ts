import { type Accounts, type AccountsOptions, createAccounts } from "../accounts/accounts.ts";
import type { AppCache } from "../cache/cache.ts";
import type { SecretKey } from "../accounts/keys/secret.ts";
import type { CoreStore } from "../accounts/people/store.ts";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Driver } from "../db/contract/driver.ts";
import type { HookBus } from "../hooks/bus.ts";
import type { Loggers } from "../log/loggers.ts";
import type { StackTraces } from "../plugins/failure/stack-traces.ts";
import type { SharedStates } from "../plugins/shared-states.ts";
import type { PluginManager } from "../plugins/manager.ts";
import type { Resources } from "../resources/definition/registry.ts";
import type { Resource } from "../resources/resources.ts";
import type { Storage } from "../storage/storage.ts";
import type { Templates } from "../templates/templates.ts";
import type { WebServer } from "../web/server.ts";
import { type AppContext, type ContextOptions, createContext, type LiveParts } from "./context.ts";
import { createCoreBuilder } from "./core.ts";
import type { CoreParts } from "./core-routes.ts";
import { closeWork, createWork, toOrigin, type Work } from "./jobs.ts";
import { createPlugins, type PluginOptions, toPluginSettings } from "./plugins.ts";
import type { Activity } from "../plugins/runtime/host.ts";
import { pathOf } from "./resource-paths.ts";
import type { Shutdown } from "./lifetime/shutdown.ts";
import type { FigureSources } from "./monitoring/figures.ts";
import { lazyFigures } from "./monitoring/monitoring.ts";
import { type AppStores, openStores } from "./stores.ts";
import { createTemplates, toBasePath, toTitleLanguage } from "./templates.ts";
import { createOriginOf, createWeb, toWebSettings } from "./web.ts";

export interface AppOptions extends ContextOptions, PluginOptions {
  /** Reads config.json again and configures the app with it. @default does nothing */
  readonly reloadConfig?: () => Promise<void>;
  /** Shows text to whoever started the server, and to no log file. @default writes to standard output */
  readonly print?: (text: string) => void;
}

/** One xcore application: its services, wired together, with nothing running yet. */
export interface App extends Work {
  /** Has the configuration that applies now. */
  readonly live: Readonly<Pick<LiveParts, "loaded">>;
  /** What is asked of plugins on all instances; null without Redis. */
  readonly shared: Pick<SharedStates, "config"> | null;
  readonly loggers: Loggers;
  /** By which instances tell each other of changes; null without Redis. */
  readonly feed: ChangeFeed | null;
  readonly hooks: HookBus;
  /** What other keys are derived from. */
  readonly secretKey: SecretKey;
  readonly database: Driver;
  /** The core's tables. */
  readonly store: CoreStore;
  readonly cache: AppCache;
  readonly storage: Storage;
  readonly accounts: Accounts;
  readonly plugins: PluginManager;
  /** The tables of plugins that are served as APIs. */
  readonly resources: Resources;
  /** Where a resource is served. */
  pathOf(resource: Resource): string;
  readonly web: WebServer;
  /** Pages from templates. */
  readonly templates: Templates;
  readonly stackTraces: StackTraces;
  readonly shutdown: Shutdown;
  /** What code of plugins runs. */
  readonly activity: Activity;
  /** What is measured; null where nothing is. */
  readonly figures: CoreParts["figures"];
  /** The OpenAPI 3.1 document of everything that is served now. */
  openApi(): Promise<Record<string, unknown>>;
  /** Loads what the core serves, which waits for its first request otherwise. @throws what its sources throw */
  loadCore(): Promise<void>;
  /** Applies a changed configuration to the running app; resolves once the plugins follow it. */
  configure(loaded: LoadedConfig): Promise<void>;
  /** Drains the plugins and disposes of them, closes the database, and flushes the logs. */
  close(): Promise<void>;
}

/**
 * Builds the services and mounts the slices, on an open and migrated database.
 *
 * @throws DatabaseError when the database can't be opened
 * @throws MigrationError when the core's tables can't be brought up to date
 * @throws AppError migration_failed when they aren't, and `database.auto_migrate` is off
 * @throws AppError config_invalid for a cache without its server, or a schedule of backups that can't be read
 */
export async function createApp(options: AppOptions): Promise<App> {
  await using disposals = new AsyncDisposableStack();
  const { reloadConfig = async () => {}, print = printLine } = options;
  const context = await createContext(options);
  const { live, loggers, feed, hooks, stackTraces, shutdown, inspects, isCommand } = context;
  disposals.defer(() => loggers.close());
  disposals.defer(async () => void (await feed?.close()));

  const stores = await openInto(disposals, context);
  const { database, storage, shared } = stores;

  const accounts = createAppAccounts(context, stores, {
    print,
    sendMail: (...mail) => work.mail.send(...mail),
  });
  const templates = createTemplates(context, accounts);
  for (const one of [accounts, templates]) disposals.defer(() => one.close());

  const web = createWeb(context, accounts);
  knowAskers(live, accounts, web);

  const work = await createWork(context, stores, { templates, print, accounts });
  const plugins = createPlugins(context, { stores, accounts, ...work, web, templates }, options);
  disposals.defer(() => plugins.stop());
  // They are the plugins': before these.
  disposals.defer(() => closeWork(work, shutdown, options));

  const figures = measureApp(context, { ...work, plugins, database });
  const shown = { web, storage, templates, resources: context.resources };
  const parts = { accounts, ...work, plugins, figures, ...shown };
  const createCore = createCoreBuilder(context, { ...parts, stores, reloadConfig });
  let core = createCore();
  web.mountCore(core);

  if (!inspects) await accounts.start();
  shared?.follow(() => Promise.all([plugins.configure(toPluginSettings(context, stores)), reloadConfig()]));
  if (!isCommand) void feed?.start();
  const running = disposals.move();
  return {
    live,
    shared,
    loggers,
    feed,
    hooks,
    ...toShown(stores),
    ...parts,
    pathOf: (resource) => pathOf(resource, plugins),
    stackTraces,
    shutdown,
    activity: context.activity,
    openApi: () => core.openApi(),
    loadCore: () => core.load(),
    async configure(loaded) {
      applySettings(context, web, loaded);
      web.mountCore((core = createCore()));
      await plugins.configure(toPluginSettings(context, stores));
    },
    close: () => running.disposeAsync(),
  };
}

function toShown({ database, store, cache, secretKey }: AppStores) {
  return { database, store, cache, secretKey };
}

/** Opens what is closed with the app. */
async function openInto(disposals: AsyncDisposableStack, context: AppContext): Promise<AppStores> {
  disposals.defer(() => context.monitoring?.tracing?.close());
  const stores = await openStores(context);
  const { database, cache, bundles, shared, limitStore } = stores;
  for (const one of [database, cache, shared, limitStore]) disposals.defer(() => one?.close());
  disposals.defer(() => bundles?.settled());
  return stores;
}

function measureApp(
  context: AppContext,
  parts: Pick<FigureSources, "jobs" | "plugins" | "database">,
): App["figures"] {
  return lazyFigures(context.monitoring, { ...context, ...parts });
}

function applySettings({ live, loggers, limits }: AppContext, web: WebServer, loaded: LoadedConfig): void {
  live.loaded = loaded;
  loggers.setLevel(loaded.config.logging.level);
  web.configure(toWebSettings(loaded));
  limits.configure(loaded.config.server.rate_limit);
}

function createAppAccounts(
  { live, feed, hooks, loggers, limits, site }: AppContext,
  { database, store, secretKey, limitStore }: AppStores,
  means: Pick<AccountsOptions, "print" | "sendMail">,
): Accounts {
  const mailArrival: AccountsOptions["mailArrival"] = () => {
    const { app: now, mail } = live.loaded.config;
    return mail.url !== null ? "mailbox" : now.debug ? "terminal" : "nowhere";
  };
  const { app, security, server } = live.loaded.config;
  return createAccounts({
    driver: database,
    feed,
    store,
    secretKey,
    appName: app.name,
    security,
    settings: () => {
      const { config } = live.loaded;
      return { auth: config.auth, publicUrl: config.server.public_url };
    },
    hooks,
    limits,
    site,
    limitStore,
    log: loggers.app,
    mailArrival,
    toUrl: (path) => toOrigin(server) + toBasePath(server.public_url) + path,
    ...means,
  });
}

/** Lets answers and the log know who asks. */
function knowAskers(live: LiveParts, accounts: Accounts, web: WebServer): void {
  live.describeAsker = (request) => describeAsker(accounts, web, request);
  const originOf = createOriginOf(web);
  live.onRefused = (refused) => accounts.denials.note(refused, originOf(refused.request));
  live.languageOf = (request) => toTitleLanguage(accounts, request);
}

function describeAsker({ principals }: Accounts, web: WebServer, request: Request): object {
  const principal = principals.peek(request);
  return {
    user_id: principal?.user.id ?? null,
    ...(principal?.viewer && { viewer_id: principal.viewer.id }),
    by_key: principal !== null && principal.apiKeyId !== null,
    ip_address: web.addressOf(request),
  };
}

function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}
