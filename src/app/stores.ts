import { resolve } from "node:path";
import { createSecretKey, loadSecretKey, type SecretKey } from "../accounts/keys/secret.ts";
import { type CoreStore, openCoreStore } from "../accounts/people/store.ts";
import type { AppCache } from "../cache/cache.ts";
import { createUpgrade, type StartingUpgrade } from "../backups/upgrade.ts";
import type { JsonObject } from "../config/json/values.ts";
import { parseDatabaseUrl } from "../db/contract/database-url.ts";
import type { LimitStore } from "../cluster/limit-store.ts";
import type { Driver } from "../db/contract/driver.ts";
import { prepareCoreTables } from "../db/migrations/core.ts";
import { openDatabase, toDatabaseOptions } from "../db/open.ts";
import { openPluginStores, type PluginStores } from "../plugins/remote/sources.ts";
import type { SharedStates } from "../plugins/shared-states.ts";
import { BundleCache } from "../plugins/build/bundle-cache.ts";
import { executableDigest } from "../plugins/build/executable.ts";
import { createCache } from "./cache.ts";
import { openSharedStates, shareLimits } from "./cluster.ts";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { Logger } from "pino";
import type { Scheduler } from "../jobs/scheduler/scheduler.ts";
import type { Resource } from "../resources/resources.ts";
import { assertSettings, type FileReference, Storage } from "../storage/storage.ts";
import type { AppContext } from "./context.ts";

/** What nobody named a plugin can be called. */
export const CORE_TASKS = "core";
const DAILY = "23 3 * * *";

/** What an app keeps outside of its memory. */
export interface AppStores {
  readonly database: Driver;
  /** The core's tables. */
  readonly store: CoreStore;
  readonly cache: AppCache;
  /** Files that are uploaded. */
  readonly storage: Storage;
  /** In which instances count requests and attempts together; null without Redis. */
  readonly limitStore: LimitStore | null;
  /** What tokens are signed with. */
  readonly secretKey: SecretKey;
  /** Plugins from elsewhere, and npm dependencies of plugins. */
  readonly plugins: PluginStores;
  /** Bundles of plugins; null where they are made anew. */
  readonly bundles: BundleCache | null;
  /** What is asked of plugins on all instances; null without Redis. */
  readonly shared: SharedStates | null;
  /** What is done before tables that are there are migrated. */
  readonly upgrade: StartingUpgrade;
}

/**
 * Opens the database, with the core's tables up to date, and what is kept in files.
 *
 * @throws DatabaseError when the database can't be opened
 * @throws MigrationError when the core's tables can't be brought up to date
 * @throws AppError database_newer when a newer version has migrated them
 * @throws AppError migration_failed when they aren't, and `database.auto_migrate` is off
 * @throws AppError config_invalid for a cache or a storage without its server
 */
export async function openStores(context: AppContext): Promise<AppStores> {
  const { live, loggers } = context;
  const plugins = openPluginStores(live.loaded, {
    log: loggers.manager,
    isOffline: () => live.loaded.config.plugins.offline,
  });
  const secretKey = await openSecretKey(context);
  const bundles = openBundles(context, secretKey);
  const upgrade = createAppUpgrade(context);
  const database = await openAppDatabase(context, upgrade);
  try {
    const { inspects, feed, presence, monitoring } = context;
    const cache = createCache(live.loaded, { log: loggers.app, database, presence, inspects, feed });
    const store = openCoreStore(database, monitoring?.watchQueries(monitoring.metrics.core));
    const storage = createStorage(context, { database, store, secretKey });
    const shared = await openSharedStates(feed, { store, log: loggers.manager });
    if (shared !== null) applyShared(context, shared.config);
    const limitStore = await shareLimits(context, secretKey);
    return { database, store, cache, storage, secretKey, plugins, bundles, shared, limitStore, upgrade };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Puts what was set on all instances over config.json: settings of plugins, which aren't loaded yet. */
function applyShared({ live, load, loggers }: AppContext, shared: JsonObject): void {
  if (Object.keys(shared).length === 0) return;
  try {
    live.loaded = load(shared);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    loggers.app.error(`${problem}\nPlugins are set as config.json of this instance says`);
  }
}

/** Who knows the secret key can make an administrator of anybody, and so run code: it may as well seal the bundles. */
function openBundles(
  { live: { loaded }, inspects, loggers }: AppContext,
  secretKey: SecretKey,
): BundleCache | null {
  if (inspects || executableDigest === null) return null;
  return new BundleCache({
    directory: resolve(loaded.directory, loaded.config.app.data_directory, "plugins", "bundles"),
    key: secretKey.deriveKey("bundles"),
    executable: executableDigest,
    log: loggers.manager,
  });
}

async function openSecretKey({ live: { loaded }, inspects }: AppContext): Promise<SecretKey> {
  if (inspects) return createSecretKey(crypto.randomUUID());
  const { app, security } = loaded.config;
  return loadSecretKey({
    configured: security.jwt_secret_key,
    dataDirectory: resolve(loaded.directory, app.data_directory),
    isDebug: app.debug,
  });
}

/** What plugins change once the server runs is its developer's own to back up. */
function createAppUpgrade({ live, version, loggers, hooks }: AppContext): StartingUpgrade {
  const upgrade = createUpgrade({ loaded: () => live.loaded, version, log: loggers.manager });
  hooks.on("server.started", () => upgrade.end());
  return upgrade;
}

async function openAppDatabase(
  { live: { loaded }, inspects, loggers, callers, isNew }: AppContext,
  upgrade: StartingUpgrade,
): Promise<Driver> {
  const settings = loaded.config.database;
  const parsed = parseDatabaseUrl(settings.url, loaded.directory);
  if (inspects) {
    const { createDetachedDriver } = await import("../db/detached.ts");
    return createDetachedDriver(parsed.dialect);
  }
  const database = await openDatabase({
    ...toDatabaseOptions(settings),
    url: parsed,
    log: loggers.app,
    callers,
    dataDirectory: resolve(loaded.directory, loaded.config.app.data_directory),
    mayBeNew: isNew,
  });
  try {
    await prepareCoreTables(database, { migrates: settings.auto_migrate, log: loggers.manager, upgrade });
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/**
 * Builds what keeps files; nothing is loaded before somebody has to do with one.
 *
 * @throws AppError config_invalid for S3 without a bucket
 */
function createStorage(
  { live, loggers, resources }: Pick<AppContext, "live" | "loggers" | "resources">,
  { database, store, secretKey }: Pick<AppStores, "database" | "store"> & { readonly secretKey: SecretKey },
): Storage {
  const settings = () => live.loaded.config.storage;
  assertSettings(settings());
  return new Storage({
    driver: database,
    db: store.db,
    files: () => store.tables.storedFiles,
    settings,
    projectDirectory: live.loaded.directory,
    linkKey: secretKey.deriveKey("file links"),
    origin: () => live.loaded.config.server.public_url?.replace(/\/$/, "") ?? "",
    references: () => resources.list().flatMap(toReferences),
    log: loggers.app,
  });
}

/** Has a task remove files that nothing refers to, once there is to do with files: a server without any has no task. */
export function cleanFiles(
  { loggers, inspects, isCommand }: AppContext,
  storage: Storage,
  tasks: Scheduler,
): void {
  if (inspects || isCommand) return;
  storage.onUse = () => {
    const adding = addCleaning(storage, tasks, loggers.app);
    void adding.catch((error: unknown) => loggers.app.error({ err: error }, "files can't be cleaned up"));
  };
}

/** Adds the task that removes files which nothing refers to. */
export async function addCleaning(storage: Storage, tasks: Scheduler, log: Logger): Promise<void> {
  await tasks.prepare();
  tasks.register({
    name: `${CORE_TASKS}:clean_files`,
    plugin: CORE_TASKS,
    schedule: tasks.schedule(DAILY, null),
    mayOverlap: false,
    catchesUp: true,
    handler: async () => (await storage.cleaner()).clean(),
    log,
    hold() {},
  });
}

function toReferences({ plugin, tableName: table, table: source, files }: Resource): FileReference[] {
  return [...(files?.columns ?? [])].map(([column, holder]) => ({
    plugin,
    table,
    column,
    source: source as PgTable,
    holder: holder as PgColumn,
  }));
}
