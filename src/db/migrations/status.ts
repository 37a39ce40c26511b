import { fail } from "../../errors/codes.ts";
import type { Driver } from "../contract/driver.ts";
import { readLedger } from "./ledger.ts";
import type { Migration } from "./files.ts";
import { findMissing, isUnchanged } from "./pending.ts";

export interface MigrationStatus {
  readonly name: string;
  /** Null when there is no such file any more. */
  readonly file: string | null;
  /**
   * - `pending`: not applied yet
   * - `applied`
   * - `partial`: some of its statements took effect before one failed (MySQL)
   * - `changed`: applied, and edited since: it blocks those that follow
   * - `missing`: applied, and its file is gone
   */
  readonly state: "pending" | "applied" | "partial" | "changed" | "missing";
  readonly appliedAt: Date | null;
  /** How many of its statements took effect. */
  readonly statements: number;
}

/**
 * Makes sure that every migration of an owner was applied, for who doesn't apply them.
 *
 * @throws AppError migration_failed when one wasn't, or was edited since
 */
export async function assertApplied(
  driver: Driver,
  owner: { readonly owner: string; readonly migrations: readonly Migration[] },
): Promise<void> {
  const states = await migrationStatus(driver, owner);
  if (states.every(({ state }) => state === "applied" || state === "missing")) return;
  const message = `Cannot use the tables of "${owner.owner}": they aren't up to date; run "xcore db migrate"`;
  throw fail("migration_failed", message);
}

/** Tells for each migration of an owner whether it was applied, in the order of their names. */
export async function migrationStatus(
  driver: Driver,
  { owner, migrations }: { readonly owner: string; readonly migrations: readonly Migration[] },
): Promise<MigrationStatus[]> {
  const entries = await readLedger(driver, owner);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const known = migrations.map((migration): MigrationStatus => {
    const { name, file } = migration;
    const entry = byName.get(name);
    if (entry === undefined) return { name, file, state: "pending", appliedAt: null, statements: 0 };
    const { appliedAt, statements } = entry;
    if (!isUnchanged(migration, entry)) return { name, file, state: "changed", appliedAt, statements };
    return { name, file, state: appliedAt === null ? "partial" : "applied", appliedAt, statements };
  });
  const missing = findMissing(migrations, entries).map(
    ({ name, appliedAt, statements }): MigrationStatus => ({
      name,
      file: null,
      state: "missing",
      appliedAt,
      statements,
    }),
  );
  return [...known, ...missing].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
