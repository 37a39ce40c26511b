import type { Logger } from "pino";
import type { Driver } from "../contract/driver.ts";
import type { Migration } from "./files.ts";
import { Ledger, type LedgerEntry, readLedger } from "./ledger.ts";
import { assertOneTransaction, assertOwnTables, findMissing, findPending } from "./pending.ts";
import { MigrationRun } from "./run.ts";
import { assertRestored, findWriter, newerData, type Upgrade } from "./upgrade.ts";

export interface ApplyOptions {
  /** The plugin that the migrations and their tables belong to, or "core". */
  readonly owner: string;
  readonly migrations: readonly Migration[];
  readonly log: Logger;
  /** Shows a file in messages. @default its path */
  readonly toDisplayPath?: (file: string) => string;
  /** What is done before rows that are there are migrated. @default nothing */
  readonly upgrade?: Upgrade | undefined;
  /** Whether they are the core's: those that aren't known are a newer version's, and nothing may be done. @default false */
  readonly refusesUnknown?: boolean;
}

/**
 * Applies each migration that wasn't applied yet, once, whichever processes start at the same time. When none
 * is pending that is one query; else one process works, and the others wait and then find the migrations applied.
 *
 * Each is one transaction with the note that it was applied: when it fails, nothing of it stays. MySQL can't
 * undo changes of tables: there, what took effect is noted statement by statement, and the next run goes on.
 *
 * @returns the names of the migrations that this call has applied
 * @throws MigrationError
 * @throws AppError database_newer for migrations of a newer version, restore_unfinished where a restore was cut off
 */
export async function applyMigrations(driver: Driver, options: ApplyOptions): Promise<{ applied: string[] }> {
  const { owner, migrations, log, toDisplayPath = (file) => file, upgrade } = options;
  const context = { owner, toDisplayPath };
  if (options.refusesUnknown === true) await assertRestored(driver);
  const entries = await readLedger(driver, owner);
  const missing = findMissing(migrations, entries);
  if (missing.length > 0 && options.refusesUnknown === true) {
    throw await newerData(driver, owner, { unknown: missing, upgrade });
  }
  for (const { name } of missing) {
    log.warn(
      { owner, migration: name },
      `migration "${name}" of "${owner}" was applied, but its file is gone`,
    );
  }
  if (findPending(migrations, entries, context).length === 0) return { applied: [] };
  return driver.migrate(async (connection) => {
    const ledger = await Ledger.open(connection, driver.dialect, upgrade?.version);
    // Another process may have applied them while this one waited.
    const present = await ledger.read(owner);
    const pending = findPending(migrations, present, context);
    assertOneTransaction(pending, context);
    assertOwnTables(pending, await ledger.readTables(), context);
    if (pending.length > 0) await keepBefore(driver, owner, { present, upgrade });
    const applied: string[] = [];
    for (const one of pending) {
      const startedAt = performance.now();
      const run = new MigrationRun(connection, driver.dialect, ledger, one, context);
      // oxlint-disable-next-line no-await-in-loop -- each builds on those before it
      await (connection.isTransactional ? run.applyWhole() : run.applyByStatement());
      const ms = Math.round(performance.now() - startedAt);
      log.info({ owner, migration: one.migration.name, ms }, `applied migration "${one.migration.name}"`);
      applied.push(one.migration.name);
    }
    return { applied };
  });
}

/** A first migration makes tables: there is nothing to keep. */
async function keepBefore(
  driver: Driver,
  owner: string,
  { present, upgrade }: { readonly present: readonly LedgerEntry[]; readonly upgrade: Upgrade | undefined },
): Promise<void> {
  if (upgrade === undefined || present.every(({ appliedAt }) => appliedAt === null)) return;
  await upgrade.backUp(await findWriter(driver, owner, present));
}
