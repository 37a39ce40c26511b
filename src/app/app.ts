import { resolve } from "node:path";
import { type CoreStore, openCoreStore } from "../accounts/people/store.ts";
import type { Origin } from "../accounts/identity/principal.ts";
import { createSecretKey, loadSecretKey, type SecretKey } from "../accounts/keys/secret.ts";
import { parseByteSize } from "../config/schema.ts";
import type { LoadedConfig } from "../config/load.ts";
import { namePlugin } from "../db/contract/database-error.ts";
import { parseDatabaseUrl } from "../db/contract/database-url.ts";
import type { Driver } from "../db/contract/driver.ts";
import { prepareCoreTables } from "../db/migrations/core.ts";
import { openDatabase } from "../db/open.ts";
import { declareCore } from "../db/schema/schema-module.ts";
import { createHookBus, type HookBus } from "../hooks/bus.ts";
import type { ConsoleStream } from "../log/console-sink.ts";
import { createLoggers, type Loggers } from "../log/loggers.ts";
import { createDisplayPath } from "../plugins/failure/display-path.ts";
import type { PluginHost } from "../plugins/runtime/host.ts";
import { PluginManager, type PluginSettings } from "../plugins/manager.ts";
import { PluginInstaller } from "../plugins/remote/installer.ts";
import { openPluginStores, toRemoteSettings } from "../plugins/remote/stores.ts";
import { pluginRoutes } from "../plugins/admin/routes.ts";
import { StackTraces } from "../plugins/failure/stack-traces.ts";
import { type Accounts, createAccounts } from "../accounts/accounts.ts";
import { declarePermissions } from "../accounts/rights/permission-catalog.ts";
import { createClientAddress } from "../web/client-address.ts";
import { createCoreMount } from "../web/core-app.ts";
import { createErrorAnswer } from "../web/error-answers.ts";
import { type Mount, MountTable } from "../web/mounts.ts";
import { WebServer, type WebSettings } from "../web/server.ts";

const PING_TIMEOUT_MS = 2000;
const MAX_USER_AGENT = 255; // characters

export interface AppOptions {
  readonly loaded: LoadedConfig;
  readonly version: string;
  /** Loads plugins only to look at them: no database, no `setup`, no watching, no log. */
  readonly inspects?: boolean;
  /** @default 30 seconds */
  readonly setupTimeoutMs?: number;
  /** @default 30 seconds */
  readonly drainTimeoutMs?: number;
  /** Reads config.json again and configures the app with it. @default does nothing */
  readonly reloadConfig?: () => Promise<void>;
  /** Shows text to whoever started the server, and to no log file. @default writes to standard output */
  readonly print?: (text: string) => void;
  /** What the console part of the log is written to. @default process.stdout */
  readonly stdout?: ConsoleStream;
}

/** One xcore application: its services, wired together, with nothing running yet. */
export interface App {
  readonly loggers: Loggers;
  readonly hooks: HookBus;
  readonly database: Driver;
  /** The core's tables. */
  readonly store: CoreStore;
  readonly accounts: Accounts;
  readonly plugins: PluginManager;
  readonly web: WebServer;
  readonly stackTraces: StackTraces;
  /** The OpenAPI 3.1 document of everything that is served now. */
  openApi(): Record<string, unknown>;
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
 */
export async function createApp(options: AppOptions): Promise<App> {
  const { loaded, version, inspects = false, setupTimeoutMs = 30_000, drainTimeoutMs = 30_000 } = options;
  const { reloadConfig = async () => {} } = options;
  const { print = (text) => void process.stdout.write(`${text}\n`) } = options;
  let config = loaded.config;

  const stackTraces = new StackTraces();
  const toDisplayPath = createDisplayPath(loaded.directory);
  const loggers = createLoggers({
    ...config.logging,
    level: inspects ? "silent" : config.logging.level,
    directory: inspects ? null : resolve(loaded.directory, config.logging.directory),
    mapStack: (stack) => stackTraces.map(stack),
    ...(options.stdout && { stdout: options.stdout }),
  });
  const { database, secretKey } = await openStores(loaded, loggers, inspects).catch(
    async (error: unknown) => {
      await loggers.close();
      throw error;
    },
  );
  const hooks = createHookBus({
    onError: (error, { event, source, reason }) => {
      if (source !== null) namePlugin(error, source);
      loggers.app.error({ err: error, event, plugin: source, reason }, "hook handler failed");
    },
  });
  const answerError = createErrorAnswer({ log: loggers.app, isDebug: () => config.app.debug });

  const store = openCoreStore(database);
  const accounts = createAccounts({
    driver: database,
    store,
    secretKey,
    appName: config.app.name,
    security: config.security,
    hooks,
    log: loggers.app,
    originOf: (request) => originOf(request),
    print,
  });
  const originOf = (request: Request): Origin => ({
    ipAddress: clientAddress(web.addressOf(request), request.headers),
    userAgent: (request.headers.get("user-agent") ?? "").slice(0, MAX_USER_AGENT),
  });
  let clientAddress = createClientAddress(config.server.trusted_proxies);
  const stores = openPluginStores(loaded, {
    log: loggers.manager,
    isOffline: () => config.plugins.offline,
  });
  const host: PluginHost = {
    given: {
      hooks,
      log: loggers.app,
      database,
      accounts: {
        principals: accounts.principals,
        guards: accounts.guards,
        users: accounts.users,
        createOtpDevice: (userId, name) => accounts.devices.create(userId, name),
        declarePermissions: (plugin, declared) => declarePermissions(store, plugin, declared),
      },
      core: declareCore(database.dialect, store.tables),
    },
    web: {
      answerError,
      isOpen: (request) => web.isOpen(request),
      serverFor: (inFlight) => web.serverFor(inFlight),
    },
    lifeCycle: {
      log: loggers.manager,
      packages: stores.packages,
      autoMigrate: () => config.database.auto_migrate,
      stackTraces,
      toDisplayPath,
      runsSetup: !inspects,
      setupTimeoutMs,
      drainTimeoutMs,
    },
  };
  const plugins: PluginManager = new PluginManager({
    host,
    remote: stores,
    settings: toPluginSettings(loaded, inspects),
    publish: (mounts) => {
      pluginMounts = mounts;
      web.swap(new MountTable(core, mounts));
    },
  });

  const installer = new PluginInstaller({
    configFile: loaded.file,
    stores,
    settings: () => toRemoteSettings({ config }),
    findLocal: async (name) => {
      const found = plugins
        .list()
        .find(({ source, name: other }) => source.remote === null && other === name);
      return found?.source.shown ?? null;
    },
  });

  const pingDatabase = createPing(database);
  const mountCore = () =>
    createCoreMount({
      appName: config.app.name,
      version,
      publicUrl: config.server.public_url,
      checks: {
        database: pingDatabase,
        plugins: () => (plugins.list().some(({ state }) => state === "failed") ? "failing" : "ok"),
      },
      slices: [
        ...accounts.slices,
        pluginRoutes({
          manager: plugins,
          hooks,
          guards: accounts.guards,
          store,
          driver: database,
          originOf,
          installer,
          reloadConfig,
        }),
      ],
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

  if (!inspects) {
    await accounts.start().catch(async (error: unknown) => {
      await database.close();
      await loggers.close();
      throw error;
    });
  }
  return {
    loggers,
    hooks,
    database,
    store,
    accounts,
    plugins,
    web,
    stackTraces,
    openApi: () => core.openApi(),
    async configure(next) {
      config = next.config;
      clientAddress = createClientAddress(config.server.trusted_proxies);
      loggers.setLevel(config.logging.level);
      web.configure(toWebSettings(next));
      core = mountCore();
      web.swap(new MountTable(core, pluginMounts));
      await plugins.configure(toPluginSettings(next, inspects));
    },
    async close() {
      await plugins.stop();
      await accounts.close();
      await database.close();
      await loggers.close();
    },
  };
}

/** What the app keeps outside of its memory: the database, and the key that tokens are signed with. */
async function openStores(
  loaded: LoadedConfig,
  loggers: Loggers,
  inspects: boolean,
): Promise<{ database: Driver; secretKey: SecretKey }> {
  const { config, directory } = loaded;
  if (inspects) {
    const { dialect } = parseDatabaseUrl(config.database.url, directory);
    const { createDetachedDriver } = await import("../db/detached.ts");
    return { database: createDetachedDriver(dialect), secretKey: createSecretKey(crypto.randomUUID()) };
  }
  const secretKey = await loadSecretKey({
    configured: config.security.jwt_secret_key,
    dataDirectory: resolve(directory, config.app.data_directory),
    isDebug: config.app.debug,
  });
  return { database: await openAppDatabase(loaded, loggers), secretKey };
}

async function openAppDatabase({ config, directory }: LoadedConfig, loggers: Loggers): Promise<Driver> {
  const { url, pool_size: poolSize, echo, auto_migrate: migrates } = config.database;
  const parsed = parseDatabaseUrl(url, directory);
  const database = await openDatabase({ url: parsed, poolSize, echo, log: loggers.app });
  try {
    await prepareCoreTables(database, { migrates, log: loggers.manager });
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Pings one at a time: while the database hangs, whoever asks for its health must not take up the pool's connections. */
function createPing(database: Driver): () => Promise<"ok" | "failing"> {
  let pinging: Promise<"ok" | "failing"> | null = null;
  return async () => {
    pinging ??= database
      .ping()
      .then(
        () => "ok" as const,
        () => "failing" as const,
      )
      .finally(() => (pinging = null));
    const late = Promise.withResolvers<"failing">();
    const timer = setTimeout(() => late.resolve("failing"), PING_TIMEOUT_MS);
    const result = await Promise.race([pinging, late.promise]);
    clearTimeout(timer);
    return result;
  };
}

function toPluginSettings({ config, directory }: LoadedConfig, inspects: boolean): PluginSettings {
  return {
    directory: resolve(directory, config.plugins.directory),
    watch: config.plugins.watch && !inspects,
    remote: toRemoteSettings({ config }),
    settings: config.plugins.settings,
  };
}

function toWebSettings({ config }: LoadedConfig): WebSettings {
  return { cors: config.server.cors, bodyLimit: parseByteSize(config.server.body_limit) };
}
