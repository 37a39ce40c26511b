import { sql } from "drizzle-orm";
import { DatabaseError, isFault } from "../contract/database-error.ts";
import type { Dialect, Driver, MigrationConnection } from "../contract/driver.ts";
import { Ledger, readOwnedTables } from "./ledger.ts";

export interface OwnedTable {
  readonly name: string;
  /** Null when the table is gone. */
  readonly rows: number | null;
}

export interface TablePurge {
  /** What would be dropped; an index of words, which SQLite keeps in a table, goes with its own. */
  list(): Promise<OwnedTable[]>;
  /**
   * Drops every table of the owner, and forgets its migrations.
   *
   * @throws DatabaseError when a table of somebody else refers to one: then nothing is dropped
   */
  drop(): Promise<void>;
}

/** Gives what an owner's migrations have made, to be shown and then dropped; its files aren't needed. */
export function purgeTables(driver: Driver, owner: string): TablePurge {
  return {
    async list() {
      const indexes = await readIndexTables(driver);
      const names = (await readOwnedTables(driver, owner)).filter((name) => !indexes.has(name));
      return Promise.all(names.map(async (name) => ({ name, rows: await countRows(driver, name) })));
    },
    drop: () => driver.migrate((connection) => dropTables(connection, driver.dialect, owner)),
  };
}

/** The tables of SQLite's that only index others, and keep nothing. */
async function readIndexTables(driver: Driver): Promise<ReadonlySet<string>> {
  if (driver.dialect !== "sqlite") return new Set();
  const query = sql`select lower(name) as name from sqlite_master
    where type = 'table' and lower(sql) like 'create virtual table % using fts5(%, content='''',%'`;
  const rows = await driver.toDatabase({}).execute<{ name: string }>(query);
  return new Set(rows.map(({ name }) => name));
}

async function countRows(driver: Driver, table: string): Promise<number | null> {
  try {
    const query = sql`select count(*) as count from ${sql.identifier(table)}`;
    const [row] = await driver.toDatabase({}).execute<{ count: number | string }>(query);
    return Number(row?.count ?? 0);
  } catch (error) {
    if (isFault(error, "missing_table")) return null;
    throw error;
  }
}

async function dropTables(connection: MigrationConnection, dialect: Dialect, owner: string): Promise<void> {
  const ledger = await Ledger.open(connection, dialect);
  const owners = await ledger.readTables();
  const owned = [...owners.keys()].filter((name) => owners.get(name) === owner);
  const references = await READ_REFERENCES[dialect](connection);
  for (const { from, to } of references) {
    if (!owned.includes(to) || owned.includes(from)) continue;
    const other = owners.get(from);
    const whose = other === undefined ? "" : ` of "${other}"`;
    throw new DatabaseError(
      "other",
      `Cannot drop table "${to}" of "${owner}": table "${from}"${whose} refers to it; drop that one first`,
      { table: to },
    );
  }
  if (connection.isTransactional) {
    await connection.transaction(async () => {
      await DROP[dialect](connection, owned);
      await ledger.forget(owner);
    });
    return;
  }
  await DROP[dialect](connection, owned);
  await connection.transaction(() => ledger.forget(owner));
}

interface Reference {
  readonly from: string;
  readonly to: string;
}

const READ_REFERENCES: Record<Dialect, (connection: MigrationConnection) => Promise<Reference[]>> = {
  sqlite: (connection) =>
    connection.all(
      `select lower(m.name) as "from", lower(f."table") as "to"
      from sqlite_master m join pragma_foreign_key_list(m.name) f where m.type = 'table'`,
    ),
  postgres: (connection) =>
    connection.all(
      `select a.relname as "from", b.relname as "to" from pg_constraint c
      join pg_class a on a.oid = c.conrelid join pg_class b on b.oid = c.confrelid where c.contype = 'f'`,
    ),
  mysql: (connection) =>
    connection.all(
      `select lower(table_name) as \`from\`, lower(referenced_table_name) as \`to\`
      from information_schema.referential_constraints where constraint_schema = database()`,
    ),
};

type Drop = (connection: MigrationConnection, tables: readonly string[]) => Promise<void>;

const DROP: Record<Dialect, Drop> = {
  // Foreign keys aren't enforced within a transaction of migrations: the order doesn't matter.
  sqlite: (connection, tables) => dropEach(connection, tables, '"'),
  // Together, so that they may refer to one another.
  async postgres(connection, tables) {
    if (tables.length > 0)
      await connection.run(`drop table if exists ${tables.map((name) => `"${name}"`).join(", ")}`);
  },
  async mysql(connection, tables) {
    // Nothing else refers to them, but they may to one another.
    await connection.run("set foreign_key_checks = 0");
    try {
      await dropEach(connection, tables, "`");
    } finally {
      await connection.run("set foreign_key_checks = 1");
    }
  },
};

async function dropEach(
  connection: MigrationConnection,
  tables: readonly string[],
  quote: string,
): Promise<void> {
  for (const table of tables) {
    // oxlint-disable-next-line no-await-in-loop -- one connection
    await connection.run(`drop table if exists ${quote}${table}${quote}`);
  }
}
