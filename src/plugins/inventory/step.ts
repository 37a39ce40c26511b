import type { Driver } from "../../db/contract/driver.ts";
import { describeLag } from "../runtime/migrate.ts";
import type { DeclaredPlugin } from "./declared-plugins.ts";
import { loadPluginTables, type LoadTablesOptions } from "./tables.ts";

/** What a plugin has beside the migrations that are there to be applied. */
export interface PluginStep {
  /** Why its schema files are ahead of its migrations, and what to do; null when they aren't. */
  readonly lag: string | null;
  /** What to show for the file that is ahead; null when none is. */
  readonly file: string | null;
}

export interface StepOptions extends Omit<LoadTablesOptions, "dialect"> {
  readonly database: Driver;
  /** Whether all of its migrations have been applied, so that the database can be asked about those written by hand. */
  readonly isMigrated: boolean;
}

/**
 * Tells how a plugin's schema files stand to its migrations. They are run, the rest of its code isn't.
 *
 * @throws PluginError when they can't be
 */
export async function findPluginStep(plugin: DeclaredPlugin, options: StepOptions): Promise<PluginStep> {
  const { database, isMigrated } = options;
  const { dialect } = database;
  const { files, manifest } = plugin;
  const [schema = null] = await files.findSchemas();
  const migrations = await files.readMigrations(dialect);
  const tables = schema === null ? {} : await loadPluginTables(plugin, { ...options, dialect });
  const declared = { exported: Object.values(tables), others: [] };
  const lag = await describeLag(declared, isMigrated ? database : null, {
    files,
    manifest,
    migrations,
    dialect,
  });
  return { lag, file: lag === null || schema === null ? null : files.source.show(schema) };
}
