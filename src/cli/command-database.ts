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
import { CORE_OWNER } from "../db/migrations/core.ts";
import { migrationsFolder } from "../plugins/migrate.ts";
import { type CommandContext, loadFor } from "./command-context.ts";

/** Whose migrations a database has. */
export interface MigrationOwner {
  /** A plugin's name, or "core". */
  readonly name: string;
  /** Names of the owners whose migrations come first. */
  readonly after: readonly string[];
  /** @throws InvalidMigrationError for files that can't be read: those of the others still can */
  readonly readMigrations: () => Promise<readonly Migration[]>;
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
export function listMigrationOwners({ driver, plugins }: CommandDatabase): MigrationOwner[] {
  const { dialect } = driver;
  const core = { name: CORE_OWNER, after: [], readMigrations: async () => coreMigrations(dialect) };
  const owners = plugins.loadable.map(({ name, source, manifest }): MigrationOwner => {
    const after = [CORE_OWNER, ...Object.keys(manifest.dependencies)];
    const folder = migrationsFolder(source);
    return {
      name,
      after,
      readMigrations: async () => (folder === null ? [] : readMigrations(folder, dialect)),
    };
  });
  return [core, ...owners];
}
