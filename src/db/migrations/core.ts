import type { Logger } from "pino";
import type { Dialect, Driver } from "../contract/driver.ts";
import { applyMigrations } from "./apply.ts";
import { readEmbeddedMigrations } from "./embedded.ts" with { type: "macro" };
import type { Migration } from "./files.ts";
import { assertApplied } from "./status.ts";
import type { Upgrade } from "./upgrade.ts";

/** Tables in which is noted what was applied, and which are nobody's. */
export { LEDGER_TABLES, readCutOffRestore, RESTORE_TABLE } from "./ledger.ts";

/** Owner of the tables and permissions that belong to xcore itself; no plugin may have the name. */
export const CORE_OWNER = "core";

const MIGRATIONS = readEmbeddedMigrations();

/** The migrations of xcore's own tables; the executable carries them. */
export function coreMigrations(dialect: Dialect): readonly Migration[] {
  return MIGRATIONS[dialect];
}

/**
 * Brings the core's tables up to date, or makes sure that they are.
 *
 * @param options.migrates whether pending migrations are applied: `database.auto_migrate`
 * @throws MigrationError when one can't be applied
 * @param options.upgrade what is done before tables that are there are migrated
 * @throws AppError migration_failed when they aren't up to date and nothing may be applied
 * @throws AppError database_newer when a newer version has migrated them
 */
export async function prepareCoreTables(
  driver: Driver,
  {
    migrates,
    log,
    upgrade,
  }: { readonly migrates: boolean; readonly log: Logger; readonly upgrade?: Upgrade | undefined },
): Promise<void> {
  const core = {
    owner: CORE_OWNER,
    migrations: coreMigrations(driver.dialect),
    refusesUnknown: true,
    upgrade,
  };
  if (migrates) await applyMigrations(driver, { ...core, log });
  else await assertApplied(driver, core);
}
