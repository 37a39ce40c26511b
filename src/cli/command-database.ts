import { resolve } from "node:path";
import type { Command } from "commander";
import type { LoadedConfig } from "../config/load.ts";
import { parseDatabaseUrl } from "../db/database-url.ts";
import type { Driver } from "../db/driver.ts";
import { coreMigrations } from "../db/migrations/core.ts";
import { type Migration, readMigrations } from "../db/migrations/migration-files.ts";
import { openDatabase } from "../db/open.ts";
import { createLoggers, type Loggers } from "../log/loggers.ts";
import { type DeclaredPlugins, readDeclaredPlugins } from "../plugins/declared-plugins.ts";
import { createDisplayPath } from "../plugins/display-path.ts";
import { CORE_OWNER } from "../plugins/manifest.ts";
import { migrationsFolder } from "../plugins/migrate.ts";
import { type CommandContext, loadFor } from "./command-context.ts";

/** Whose migrations a database has. */
export interface MigrationOwner {
  /** A plugin's name, or "core". */
  readonly name: string;
  /** Names of the owners whose migrations come first. */
  readonly after: readonly string[];
  readonly migrations: readonly Migration[];
}

/** What a command that works with the database has at hand. */
export interface CommandDatabase {
  readonly driver: Driver;
  readonly loaded: LoadedConfig;
  readonly loggers: Loggers;
  readonly plugins: DeclaredPlugins;
  readonly toDisplayPath: (file: string) => string;
}

/** Opens the configured database for a command and closes it at its end. Logs go to standard error. */
export async function withDatabase<T>(
  command: Command,
  context: CommandContext,
  work: (database: CommandDatabase) => Promise<T>,
): Promise<T> {
  const loaded = loadFor(command, context);
  const { config, directory } = loaded;
  const toDisplayPath = createDisplayPath(directory);
  const plugins = await readDeclaredPlugins(resolve(directory, config.plugins.directory), toDisplayPath);
  const loggers = createLoggers({
    ...config.logging,
    level: "warn",
    directory: null,
    console: true,
    stdout: process.stderr,
  });
  try {
    const url = parseDatabaseUrl(config.database.url, directory);
    const { pool_size: poolSize, echo } = config.database;
    const driver = await openDatabase({ url, poolSize, echo, log: loggers.app });
    try {
      return await work({ driver, loaded, loggers, plugins, toDisplayPath });
    } finally {
      await driver.close();
    }
  } finally {
    await loggers.close();
  }
}

/** Lists whose migrations are to be applied, in the order in which they are: the core, then plugins. */
export async function listMigrationOwners({ driver, plugins }: CommandDatabase): Promise<MigrationOwner[]> {
  const core: MigrationOwner = { name: CORE_OWNER, after: [], migrations: coreMigrations(driver.dialect) };
  const owners = plugins.loadable.map(async ({ name, source, manifest }): Promise<MigrationOwner> => {
    const folder = migrationsFolder(source);
    const migrations = folder === null ? [] : await readMigrations(folder, driver.dialect);
    return { name, after: [CORE_OWNER, ...Object.keys(manifest.dependencies)], migrations };
  });
  return [core, ...(await Promise.all(owners))];
}
