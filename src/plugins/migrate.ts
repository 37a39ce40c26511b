import { join } from "node:path";
import { applyMigrations } from "../db/migrations/apply.ts";
import { type Migration, readMigrations } from "../db/migrations/migration-files.ts";
import { migrationStatus } from "../db/migrations/status.ts";
import type { PluginHost } from "./generation.ts";
import type { PluginSource } from "./sources.ts";

/** The folder of a plugin's migrations; null for a single-file plugin, which has none. */
export function migrationsFolder(source: PluginSource): string | null {
  return source.kind === "file" ? null : join(source.root, "drizzle");
}

/** Reads the migrations that a plugin brings for the database in use. @throws Error that names the file at fault */
export async function readPluginMigrations(
  host: Pick<PluginHost, "database">,
  source: PluginSource,
): Promise<Migration[]> {
  const folder = migrationsFolder(source);
  return folder === null ? [] : readMigrations(folder, host.database.dialect);
}

/** Applies a plugin's pending migrations, or says in the log that there are some. @throws MigrationError */
export async function migratePlugin(
  host: PluginHost,
  owner: string,
  migrations: readonly Migration[],
): Promise<void> {
  if (migrations.length === 0) return;
  if (host.autoMigrate()) {
    await applyMigrations(host.database, {
      owner,
      migrations,
      log: host.managerLog,
      toDisplayPath: host.toDisplayPath,
    });
    return;
  }
  const states = await migrationStatus(host.database, { owner, migrations });
  const pending = states.filter(({ state }) => state === "pending").map(({ name }) => name);
  if (pending.length > 0) {
    host.managerLog.warn({ plugin: owner, pending }, `migrations are pending: run "xcore db migrate"`);
  }
}
