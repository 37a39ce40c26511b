import { sql } from "drizzle-orm";
import { isFault } from "../contract/database-error.ts";
import type { Driver, MigrationConnection } from "../contract/driver.ts";
import type { TableEffect } from "./statements.ts";

/** What is known of a migration that was applied, whole or in part. */
export interface LedgerEntry {
  readonly name: string;
  /** Of the file; while it is applied in part, of the statements that took effect. */
  readonly hash: string;
  /** How many statements took effect. */
  readonly statements: number;
  /** What the tables of the statement under way were like before it; null when none is. */
  readonly before: string | null;
  /** Null while it is applied in part. */
  readonly appliedAt: Date | null;
}

type LedgerRow = {
  name: string;
  hash: string;
  statements: number;
  before_hash: string | null;
  applied_at: string | null;
};

/** Is there while a restore replaces tables that can't be replaced at once, and names what was there before. */
export const RESTORE_TABLE = "xcore_restore";

/** Who keeps the tables below: no migration may touch them. */
export const LEDGER_OWNER = "xcore";

export const LEDGER_TABLES: readonly string[] = [
  RESTORE_TABLE,
  "xcore_migrations",
  "xcore_tables",
  "xcore_seeds",
  "xcore_versions",
];

const CREATE_MIGRATIONS = `create table if not exists xcore_migrations (
  owner varchar(64) not null,
  name varchar(80) not null,
  hash varchar(64) not null,
  statements integer not null,
  before_hash varchar(64),
  applied_at varchar(24),
  primary key (owner, name)
)`;
const CREATE_TABLES = `create table if not exists xcore_tables (
  name varchar(64) not null primary key,
  owner varchar(64) not null
)`;
const CREATE_SEEDS = `create table if not exists xcore_seeds (
  owner varchar(64) not null primary key,
  seeded_at varchar(24) not null
)`;
// Of its own: xcore_migrations has been there before it was noted.
const CREATE_VERSIONS = `create table if not exists xcore_versions (
  owner varchar(64) not null,
  name varchar(80) not null,
  version varchar(64) not null,
  primary key (owner, name)
)`;
const COLUMNS = "name, hash, statements, before_hash, applied_at";

/** Reads what was applied of an owner, with one query and without a lock. */
export async function readLedger(driver: Driver, owner: string): Promise<LedgerEntry[]> {
  const query = sql`select ${sql.raw(COLUMNS)} from xcore_migrations where owner = ${owner} order by name`;
  return (await readIfThere<LedgerRow>(driver, query)).map(toEntry);
}

/** Reads which tables an owner has, without a lock. */
export async function readOwnedTables(driver: Driver, owner: string): Promise<string[]> {
  const query = sql`select name from xcore_tables where owner = ${owner} order by name`;
  return (await readIfThere<{ name: string }>(driver, query)).map(({ name }) => name);
}

/** Reads which version of xcore has applied the migrations of an owner, by their names; older ones haven't noted it. */
export async function readVersions(driver: Driver, owner: string): Promise<Map<string, string>> {
  const query = sql`select name, version from xcore_versions where owner = ${owner}`;
  const rows = await readIfThere<{ name: string; version: string }>(driver, query);
  return new Map(rows.map(({ name, version }) => [name, version]));
}

/** Reads which backup has what was there before a restore that was cut off; null where none was. */
export async function readCutOffRestore(driver: Driver): Promise<string | null> {
  // The others replace a database in one step.
  if (driver.dialect !== "mysql") return null;
  const query = sql`select kept from ${sql.raw(RESTORE_TABLE)} order by id limit 1`;
  const [row] = await readIfThere<{ kept: string }>(driver, query);
  return row?.kept ?? null;
}

async function readIfThere<Row extends Record<string, unknown>>(
  driver: Driver,
  query: ReturnType<typeof sql>,
): Promise<Row[]> {
  try {
    return await driver.toDatabase({}).execute<Row>(query);
  } catch (error) {
    // Made with the first migration.
    if (isFault(error, "missing_table")) return [];
    throw error;
  }
}

function toEntry({ name, hash, statements, before_hash, applied_at }: LedgerRow): LedgerEntry {
  const appliedAt = applied_at === null ? null : new Date(applied_at);
  return { name, hash, statements, before: before_hash, appliedAt };
}

/** The tables that say what was applied, who owns which table and whose rows were seeded, on the connection that holds the lock. */
export class Ledger {
  readonly #connection: MigrationConnection;
  readonly #version: string | null;

  private constructor(connection: MigrationConnection, version: string | null) {
    this.#connection = connection;
    this.#version = version;
  }

  /**
   * Makes the tables where they are missing.
   *
   * @param version of xcore, to be noted with what is applied. @default none is
   */
  static async open(
    connection: MigrationConnection,
    dialect: Driver["dialect"],
    version: string | null = null,
  ): Promise<Ledger> {
    const suffix = dialect === "mysql" ? " default character set utf8mb4 collate utf8mb4_bin" : "";
    await connection.run(CREATE_MIGRATIONS + suffix);
    await connection.run(CREATE_TABLES + suffix);
    await connection.run(CREATE_SEEDS + suffix);
    await connection.run(CREATE_VERSIONS + suffix);
    return new Ledger(connection, version);
  }

  async read(owner: string): Promise<LedgerEntry[]> {
    const query = `select ${COLUMNS} from xcore_migrations where owner = ? order by name`;
    return (await this.#connection.all<LedgerRow>(query, [owner])).map(toEntry);
  }

  /** Who owns each table, by its name. */
  async readTables(): Promise<Map<string, string>> {
    const query = "select name, owner from xcore_tables order by name";
    const rows = await this.#connection.all<{ name: string; owner: string }>(query);
    return new Map(rows.map(({ name, owner }) => [name, owner]));
  }

  /** Replaces what is known of a migration. */
  async write(owner: string, { name, hash, statements, before, appliedAt }: LedgerEntry): Promise<void> {
    await this.#connection.run("delete from xcore_migrations where owner = ? and name = ?", [owner, name]);
    await this.#connection.run(`insert into xcore_migrations (owner, ${COLUMNS}) values (?, ?, ?, ?, ?, ?)`, [
      owner,
      name,
      hash,
      statements,
      before,
      appliedAt?.toISOString() ?? null,
    ]);
    await this.#connection.run("delete from xcore_versions where owner = ? and name = ?", [owner, name]);
    if (appliedAt === null || this.#version === null) return;
    const note = "insert into xcore_versions (owner, name, version) values (?, ?, ?)";
    await this.#connection.run(note, [owner, name, this.#version.slice(0, 64)]);
  }

  /** Notes who owns the tables after a statement's effects. */
  async moveTables(owner: string, effects: readonly TableEffect[]): Promise<void> {
    for (const effect of effects) {
      if (effect.kind === "alter") continue;
      // oxlint-disable-next-line no-await-in-loop -- one after another, as the statements ran
      await this.#connection.run("delete from xcore_tables where name = ?", [effect.table]);
      if (effect.kind === "drop") continue;
      const name = effect.kind === "rename" ? effect.to : effect.table;
      // oxlint-disable-next-line no-await-in-loop
      await this.#connection.run("delete from xcore_tables where name = ?", [name]);
      // oxlint-disable-next-line no-await-in-loop
      await this.#connection.run("insert into xcore_tables (name, owner) values (?, ?)", [name, owner]);
    }
  }

  /** Forgets that migrations of an owner were tried. */
  async forgetMigrations(owner: string, names: readonly string[]): Promise<void> {
    for (const name of names) {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      await this.#connection.run("delete from xcore_migrations where owner = ? and name = ?", [owner, name]);
      // oxlint-disable-next-line no-await-in-loop
      await this.#connection.run("delete from xcore_versions where owner = ? and name = ?", [owner, name]);
    }
  }

  /** Forgets the migrations of an owner, its tables, and that it was seeded. */
  async forget(owner: string): Promise<void> {
    await this.#connection.run("delete from xcore_migrations where owner = ?", [owner]);
    await this.#connection.run("delete from xcore_tables where owner = ?", [owner]);
    await this.#connection.run("delete from xcore_seeds where owner = ?", [owner]);
    await this.#connection.run("delete from xcore_versions where owner = ?", [owner]);
  }
}
