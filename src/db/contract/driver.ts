import type { Column, Table } from "drizzle-orm";
import type * as pg from "drizzle-orm/pg-core";
import type { Logger } from "pino";
import type { Database, SchemaTables } from "./database.ts";
import type { ServerUrl } from "./database-url.ts";
import type { QueryWatch } from "./statements.ts";

/** The databases that xcore runs on; also the names of the folders below `drizzle/`. */
export const DIALECTS = ["sqlite", "postgres", "mysql"] as const;

/** A family of databases with one SQL: MariaDB speaks MySQL's. */
export type Dialect = (typeof DIALECTS)[number];

/** What an acknowledged write outlasts: "full" the loss of power, "normal" the end of the process. SQLite's alone. */
export type Durability = "full" | "normal";

/** Whoever work is done for: a request under way. */
export interface Caller {
  /** By `performance.now()`. */
  readonly startedAt: number;
  /** Whether something that it asked for has been written: what it has begun it may end. */
  hasWritten: boolean;
  /** Whether nobody waits for it any more. */
  isGone(): boolean;
}

/** What the drivers of database servers are made with. */
export interface ServerDriverOptions {
  readonly url: ServerUrl;
  /** Connections, at most. */
  readonly poolSize: number;
  /** Logs each statement, without its values. */
  readonly echo: boolean;
  readonly log: Logger;
  /** How long a statement may take, in ms. */
  readonly statementTimeoutMs: number;
  /** How long a transaction may be open, in ms. */
  readonly transactionTimeoutMs: number;
  /** How long a statement of a migration may take, and another process that migrates be waited for, in ms. */
  readonly migrationTimeoutMs: number;
  /** How long one try to connect may take, in ms. */
  readonly connectTimeoutMs: number;
  /** How long a statement waits for a connection, in ms. */
  readonly waitTimeoutMs: number;
  /** How long a connection may have been idle to be handed out unchecked, in ms. */
  readonly trustedMs: number;
  /** For whom it works. */
  readonly callers: { readonly current: Caller | undefined };
}

/** One open database: its connections, and what the rest of xcore asks of it. */
export interface Driver {
  readonly dialect: Dialect;
  readonly tableMakers: TableMakers;
  /**
   * Returns the database whose `query` knows these tables and relations; all databases of a driver share its connections.
   *
   * @param watch has its statements be run. @default they run as they are
   */
  toDatabase<Schema extends SchemaTables>(schema: Schema, watch?: QueryWatch): Database<Schema>;
  /**
   * Runs `work` on one connection that holds the lock of migrations: one process at a time, on any machine;
   * other processes wait.
   */
  migrate<T>(work: (connection: MigrationConnection) => Promise<T>): Promise<T>;
  /**
   * Has statements be ended that hold the event loop, from now on; where that isn't to be had the log says so. Servers run
   * none in this process.
   */
  limitStatements?(): Promise<void>;
  /** Resolves when the database answers. @throws DatabaseError */
  ping(): Promise<void>;
  /**
   * Resolves when a write would be made and kept, in its turn behind others: it waits as they do.
   *
   * @throws DatabaseError
   */
  probe(): Promise<void>;
  /**
   * Returns a number that is another one once anybody, in this process or another, has committed something since it
   * was last asked for; asking costs next to nothing. Null where the database would have to be queried.
   *
   * @throws DatabaseError
   */
  changeToken(): number | null;
  /**
   * Calls `listener` once what has been written is committed: by the transaction `tx`, or else by whatever the caller is
   * part of; at once outside of one, never where it is rolled back.
   *
   * @throws TypeError for a `tx` that is none
   */
  afterCommit(listener: () => void, tx?: object): void;
  /**
   * Makes of `write`, which writes rows with one statement, what writes a single one: together with those that others write
   * at the same time, and as a part of the transaction that the caller is part of. SQLite's writes share commits anyhow.
   */
  gather?<Row>(write: (rows: readonly Row[]) => Promise<unknown>): (row: Row) => Promise<void>;
  /** How the connections to a server are. SQLite has none. */
  connections?(): ConnectionCounts;
  /** Tells what this process commits; returns its undo. */
  onTablesWritten(listener: OnTablesWritten): () => void;
  /** Lets queries under way finish and closes every connection. */
  close(): Promise<void>;
}

/** The connections of this process to a server. */
export interface ConnectionCounts {
  readonly busy: number;
  readonly idle: number;
  /** Those that are being made, or asked whether they still work. */
  readonly coming: number;
  readonly most: number;
  /** Statements and transactions that have none yet. */
  readonly waiting: number;
}

/** A table that a statement writes to, by its name in small letters, without a schema. */
export interface TableWrite {
  readonly table: string;
  readonly verb: "insert" | "update" | "delete";
}

/**
 * Told, once per commit, which tables it has written to, before whoever has written goes on; null when it could be any. A
 * commit whose answer was lost counts: it may have been made. What triggers and functions of the database write isn't told.
 * It must not throw: the statement has been run.
 */
export type OnTablesWritten = (writes: readonly TableWrite[] | null) => void;

/** A drizzle column builder of any dialect, as far as it is used here. */
export interface ColumnMaker {
  default(value: unknown): this;
  $defaultFn(make: () => unknown): this;
  unique(name?: string): this;
  references(target: () => pg.AnyPgColumn, actions?: object): this;
}

/** A foreign key of a table, as far as it is used here. */
export interface ForeignKey {
  readonly onDelete: string | undefined;
  readonly onUpdate: string | undefined;
  reference(): { readonly foreignTable: Table };
}

/**
 * What tables of a dialect are declared with: drizzle's functions, typed as PostgreSQL's, with their own types for each
 * dialect. They come with the driver, so that those of the other dialects aren't loaded.
 */
export interface TableMakers extends Pick<
  typeof pg,
  "index" | "uniqueIndex" | "unique" | "check" | "primaryKey" | "foreignKey"
> {
  readonly dialect: Dialect;
  readonly table: typeof pg.pgTable;
  /** A number that the database gives each row. */
  readonly id: () => ColumnMaker;
  readonly boolean: () => ColumnMaker;
  readonly foreignKeysOf: (table: Table) => readonly ForeignKey[];
  /** What is unique in a table, its primary key first. */
  readonly uniqueKeysOf: (table: Table) => readonly { readonly columns: readonly Column[] }[];
  readonly customType: (params: {
    dataType: () => string;
    toDriver: (this: Column | undefined, value: unknown) => unknown;
    fromDriver?: (this: Column | undefined, value: unknown) => unknown;
  }) => () => ColumnMaker;
}

/** SQL of migrations, on one connection. Errors are those of the database, as `DatabaseError`. */
export interface MigrationConnection {
  /** Whether `transaction` undoes changes of tables too. MySQL's take effect one by one. */
  readonly isTransactional: boolean;
  /** Runs one statement. `?` stands for a parameter on every dialect; without parameters nothing is replaced. */
  run(statement: string, parameters?: readonly (string | number | null)[]): Promise<void>;
  /** Runs one query; rows by column name. */
  all<Row>(statement: string, parameters?: readonly (string | number | null)[]): Promise<Row[]>;
  /**
   * Runs `work` in one transaction and checks foreign keys at its end. On SQLite they aren't enforced before
   * that, so that a table can be rebuilt. Not nested.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>;
}
