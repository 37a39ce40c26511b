import { applyMigrations } from "../../db/migrations/apply.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { Migration } from "../../db/migrations/files.ts";
import { migrationStatus } from "../../db/migrations/status.ts";
import type { PluginLifeCycle } from "./host.ts";

/** Applies a plugin's pending migrations, or says in the log that there are some. @throws MigrationError */
export async function migratePlugin(
  database: Driver,
  { owner, migrations }: { readonly owner: string; readonly migrations: readonly Migration[] },
  { autoMigrate, log, toDisplayPath }: PluginLifeCycle,
): Promise<void> {
  if (migrations.length === 0) return;
  if (autoMigrate()) {
    await applyMigrations(database, { owner, migrations, log, toDisplayPath });
    return;
  }
  const states = await migrationStatus(database, { owner, migrations });
  const pending = states.filter(({ state }) => state === "pending").map(({ name }) => name);
  if (pending.length > 0) {
    log.warn({ plugin: owner, pending }, `migrations are pending: run "xcore db migrate"`);
  }
}
