import { resolve } from "node:path";
import type { Command } from "commander";
import { type CoreStore, openCoreStore } from "../../accounts/people/store.ts";
import { createUpgrade } from "../../backups/upgrade.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { parseDatabaseUrl } from "../../db/contract/database-url.ts";
import type { Dialect, Driver } from "../../db/contract/driver.ts";
import { CORE_OWNER, coreMigrations, prepareCoreTables } from "../../db/migrations/core.ts";
import type { Migration } from "../../db/migrations/files.ts";
import { openDatabase, type OpenOptions, toDatabaseOptions } from "../../db/open.ts";
import { createLoggers, type Loggers } from "../../log/loggers.ts";
import type { DeclaredPlugin, DeclaredPlugins } from "../../plugins/inventory/declared-plugins.ts";
import type { SharedStates } from "../../plugins/shared-states.ts";
import { type CommandContext, loadFor } from "./command-context.ts";

/** Whose migrations a database has. */
export interface MigrationOwner {
  /** A plugin's name, or "core". */
  readonly name: string;
  /** Null for the core. */
  readonly plugin: DeclaredPlugin | null;
  /** Names of the owners whose migrations come first. */
  readonly after: readonly string[];
  /** @throws InvalidMigrationError for files that can't be read; the files of other owners still can */
  readonly readMigrations: () => Promise<readonly Migration[]>;
}

/** What a command that works with the database has at hand. */
export interface CommandDatabase {
  readonly driver: Driver;
  readonly loggers: Loggers;
}

/**
 * Opens the configured database for a command and closes it at its end. Logs go to standard error.
 *
 * @param patience how long a server is waited for, as openDatabase does by default
 */
export async function withDatabase<T>(
  { config, directory }: LoadedConfig,
  work: (database: CommandDatabase) => Promise<T>,
  patience: Pick<OpenOptions, "connectTimeoutMs"> = {},
): Promise<T> {
  const loggers = await createLoggers({
    ...config.logging,
    level: "warn",
    directory: null,
    console: true,
    stdout: process.stderr,
  });
  try {
    const url = parseDatabaseUrl(config.database.url, directory);
    const driver = await openDatabase({
      ...toDatabaseOptions(config.database),
      ...patience,
      url,
      log: loggers.app,
      dataDirectory: resolve(directory, config.app.data_directory),
    });
    try {
      return await work({ driver, loggers });
    } finally {
      await driver.close();
    }
  } finally {
    await loggers.close();
  }
}

/** What a command that works with the core's tables has at hand. */
export interface CommandStore extends CommandDatabase {
  readonly loaded: LoadedConfig;
  readonly store: CoreStore;
}

/**
 * Opens the configured database for a command, with the core's tables up to date in it, and closes it at its end.
 *
 * @param changes whether the core's tables may be brought up to date. Without it, they must be
 */
export async function withCoreStore<T>(
  command: Command,
  context: CommandContext,
  work: (opened: CommandStore) => Promise<T>,
  { changes = true }: { readonly changes?: boolean } = {},
): Promise<T> {
  const loaded = loadFor(command, context);
  return withDatabase(loaded, async ({ driver, loggers }) => {
    const migrates = changes && loaded.config.database.auto_migrate;
    const upgrade = createUpgrade({ loaded: () => loaded, version: context.version, log: loggers.manager });
    await prepareCoreTables(driver, { migrates, log: loggers.manager, upgrade });
    return work({ driver, loggers, loaded, store: openCoreStore(driver) });
  });
}

/**
 * Opens what is asked of plugins on all instances for a command that changes it, and tells these at its end; null without
 * Redis, where the files of plugins are all there is.
 */
export async function withSharedStates<T>(
  command: Command,
  context: CommandContext,
  work: (shared: SharedStates | null) => Promise<T>,
): Promise<T> {
  if (loadFor(command, context).config.redis.url === null) return work(null);
  const { openCommandStates } = await import("../../app/command-stores.ts");
  return withCoreStore(command, context, async ({ store, loggers, loaded }) => {
    const opened = await openCommandStates(loaded, { store, log: loggers.app });
    if (opened === null) return work(null);
    try {
      return await work(opened.shared);
    } finally {
      const { isTold } = await opened.close();
      if (!isTold) context.warn("Redis is away: the other instances follow once it is back");
    }
  });
}

/** Lists whose migrations are to be applied, in the order in which they are: the core, then plugins. */
export function listMigrationOwners(dialect: Dialect, plugins: DeclaredPlugins): MigrationOwner[] {
  const readCore = async (): Promise<readonly Migration[]> => coreMigrations(dialect);
  const core = { name: CORE_OWNER, plugin: null, after: [], readMigrations: readCore };
  const owners = plugins.loadable.map((plugin): MigrationOwner => {
    const after = [CORE_OWNER, ...Object.keys(plugin.manifest.dependencies)];
    return { name: plugin.name, plugin, after, readMigrations: () => plugin.files.readMigrations(dialect) };
  });
  return [core, ...owners];
}
