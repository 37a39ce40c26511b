import { getTableColumns, getTableName, type SQL, sql, type Table } from "drizzle-orm";
import { fail } from "../../errors/codes.ts";
import type { Dialect, Driver } from "../contract/driver.ts";
import { readLedger } from "./ledger.ts";
import type { Migration } from "./files.ts";
import { findMissing, hasBegun, isUnchanged } from "./pending.ts";
import { assertRestored, newerData, type Upgrade } from "./upgrade.ts";

export interface MigrationStatus {
  readonly name: string;
  /** Null when there is no such file any more. */
  readonly file: string | null;
  /**
   * - `pending`: not applied yet
   * - `draft`: not to be applied yet
   * - `applied`
   * - `partial`: some of its statements took effect before one failed (MySQL)
   * - `changed`: applied, and edited since: it blocks those that follow
   * - `missing`: applied, and its file is gone
   */
  readonly state: "pending" | "draft" | "applied" | "partial" | "changed" | "missing";
  readonly appliedAt: Date | null;
  /** How many of its statements took effect. */
  readonly statements: number;
}

/**
 * Makes sure that every migration of an owner was applied, for who doesn't apply them.
 *
 * @throws AppError migration_failed when one wasn't, or was edited since
 * @throws AppError database_newer for migrations of a newer version, restore_unfinished where a restore was cut off
 */
export async function assertApplied(
  driver: Driver,
  owner: {
    readonly owner: string;
    readonly migrations: readonly Migration[];
    readonly refusesUnknown?: boolean;
    readonly upgrade?: Upgrade | undefined;
  },
): Promise<void> {
  if (owner.refusesUnknown === true) await assertRestored(driver);
  const states = await migrationStatus(driver, owner);
  if (owner.refusesUnknown === true && states.some(({ state }) => state === "missing")) {
    const unknown = findMissing(owner.migrations, await readLedger(driver, owner.owner));
    throw await newerData(driver, owner.owner, { unknown, upgrade: owner.upgrade });
  }
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
    if (entry === undefined || (entry.appliedAt === null && !hasBegun(entry))) {
      return { name, file, state: migration.isDraft ? "draft" : "pending", appliedAt: null, statements: 0 };
    }
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

type NamesOf = (tables: SQL) => SQL;

const COLUMNS: Readonly<Record<Dialect, NamesOf>> = {
  sqlite: (tables) =>
    sql`select m.name as t, c.name as c from sqlite_master m join pragma_table_info(m.name) c where m.name in ${tables}`,
  postgres: (tables) =>
    sql`select table_name as t, column_name as c from information_schema.columns where table_schema = any(current_schemas(false)) and table_name in ${tables}`,
  mysql: (tables) =>
    sql`select table_name as t, column_name as c from information_schema.columns where table_schema = database() and table_name in ${tables}`,
};

/** Says which tables and columns a database lacks, such as `column "crm_deals.stage"`; one query for all of them. */
export async function findMissingColumns(driver: Driver, tables: readonly Table[]): Promise<string[]> {
  if (tables.length === 0) return [];
  const names = tables.map((table) => getTableName(table));
  const rows = await driver.toDatabase({}).execute<{ t: string; c: string }>(
    COLUMNS[driver.dialect](
      sql`(${sql.join(
        names.map((name) => sql`${name}`),
        sql`, `,
      )})`,
    ),
  );
  const made = new Set(rows.map(({ t, c }) => `${t}.${c}`));
  const madeTables = new Set(rows.map(({ t }) => t));
  return tables.flatMap((table) => {
    const name = getTableName(table);
    if (!madeTables.has(name)) return [`table "${name}"`];
    return Object.values(getTableColumns(table))
      .map((column) => `${name}.${column.name}`)
      .filter((column) => !made.has(column))
      .map((column) => `column "${column}"`);
  });
}
