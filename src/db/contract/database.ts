import type { ExtractTablesWithRelations, SQL } from "drizzle-orm";
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import type { PgRelationalQuery } from "drizzle-orm/pg-core/query-builders/query";

/** Tables and relations by the name they are exported under: what `db.query` knows. */
export type SchemaTables = Record<string, unknown>;

/** What a write without `returning()` resolves to, on every database. */
export interface WriteResult {
  readonly rowsAffected: number;
}

interface WriteResultHKT extends PgQueryResultHKT {
  type: WriteResult;
}

type Drizzle<Schema extends SchemaTables> = PgDatabase<
  WriteResultHKT,
  Schema,
  ExtractTablesWithRelations<Schema>
>;

/** Rows of which nothing is known, and what they are read by. */
interface UntypedTable {
  findMany(config?: object): PgRelationalQuery<Record<string, unknown>[]>;
  findFirst(config?: object): PgRelationalQuery<Record<string, unknown> | undefined>;
}

/** What `db.query` is typed as: without the names of tables, any name has rows of unknown values. */
type RelationalQueries<Schema extends SchemaTables> = string extends keyof Schema
  ? Readonly<Record<string, UntypedTable>>
  : Drizzle<Schema>["query"];

export interface TransactionOptions {
  /**
   * How often to run the whole transaction again when the database gives it up for another one (a
   * serialization failure or a deadlock). The work must bear being run twice. Only for the outermost
   * transaction.
   *
   * @default 0
   */
  readonly retries?: number;
  /**
   * What it sees of the transactions beside it. With "serializable" nothing: what it has read is still so when it
   * commits, or it is given up, which `retries` is for. SQLite's are always so.
   *
   * @default the database's own: "read committed" on PostgreSQL, "repeatable read" on MySQL
   */
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
}

/**
 * Drizzle's queries, in the part that is the same on every database.
 *
 * Whatever fails throws a `DatabaseError` or a `ConstraintError`, neither of which holds values of the query.
 */
export interface Queries<Schema extends SchemaTables = SchemaTables> extends Pick<
  Drizzle<Schema>,
  "select" | "selectDistinct" | "insert" | "update" | "delete" | "with" | "$with" | "$count"
> {
  /** Reads rows of the tables with those that belong to them, as their `relations` say. */
  readonly query: RelationalQueries<Schema>;
  /** Runs SQL of your own and returns its rows, each by column name. Values in `sql` are bound, never pasted. */
  execute<Row extends Record<string, unknown> = Record<string, unknown>>(query: SQL): Promise<Row[]>;
  /**
   * Runs `work` in a transaction: all of its writes through `tx`, or none when it throws. Inside another
   * transaction it is a savepoint.
   *
   * @returns what `work` returns
   */
  transaction<T>(work: (tx: Transaction<Schema>) => Promise<T>, options?: TransactionOptions): Promise<T>;
}

/** The database as code uses it. */
export type Database<Schema extends SchemaTables = SchemaTables> = Queries<Schema>;

/** The database inside a transaction. */
export interface Transaction<Schema extends SchemaTables = SchemaTables> extends Queries<Schema> {
  /** Undoes the transaction by throwing: `db.transaction` rejects with drizzle's TransactionRollbackError. */
  rollback(): never;
}
