import { join } from "node:path";
import { applyMigrations } from "../../db/migrations/apply.ts";
import type { Dialect } from "../../db/contract/dialect.ts";
import type { Driver } from "../../db/contract/driver.ts";
import { type Migration, parseMigrations, readMigrations } from "../../db/migrations/migration-files.ts";
import { migrationStatus } from "../../db/migrations/status.ts";
import type { PluginLifeCycle } from "./host.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { OpenedSnapshot } from "../snapshot/store.ts";
import type { PluginSource } from "../source/sources.ts";

/** The folder of a plugin's migrations; null for a single-file plugin, which has none. */
export function migrationsFolder(source: PluginSource): string | null {
  return source.kind === "file" ? null : join(source.root, "drizzle");
}

/**
 * Reads the migrations that a plugin brings for a kind of database.
 *
 * @param plugin `opened`: the checked bytes of a plugin from elsewhere, which are taken in place of the disk's
 * @throws Error that names the file at fault
 */
export async function readPluginMigrations(
  dialect: Dialect,
  { source, opened }: { readonly source: PluginSource; readonly opened: OpenedSnapshot | null },
): Promise<Migration[]> {
  const folder = migrationsFolder(source);
  if (folder === null) return [];
  if (opened === null) return readMigrations(folder, dialect);
  return parseMigrations(join(folder, dialect), migrationFilesOf(opened.snapshot, dialect));
}

/** The files of a snapshot that stand in the folder of a kind of database's migrations, by their names there. */
export function migrationFilesOf({ files }: Snapshot, dialect: Dialect): ReadonlyMap<string, Uint8Array> {
  const folder = `drizzle/${dialect}/`;
  const found = [...files].filter(([name]) => name.startsWith(folder));
  return new Map(
    found
      .map(([name, content]) => [name.slice(folder.length), content] as const)
      .filter(([name]) => !name.includes("/")),
  );
}

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
