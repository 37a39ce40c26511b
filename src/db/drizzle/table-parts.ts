import { type Column, is, type SQL, type Table } from "drizzle-orm";
import * as mysql from "drizzle-orm/mysql-core";
import * as pg from "drizzle-orm/pg-core";
import * as sqlite from "drizzle-orm/sqlite-core";
import type { Dialect } from "../contract/driver.ts";

/** What drizzle's `getTableConfig` says of a table, which is alike in each dialect. */
export interface TableConfig {
  readonly name: string;
  readonly schema: string | undefined;
  readonly columns: readonly Column[];
  readonly indexes: readonly { readonly config: IndexConfig }[];
  readonly foreignKeys: readonly ForeignKey[];
  readonly checks: readonly { readonly name: string; readonly value: SQL }[];
  readonly primaryKeys: readonly { readonly columns: readonly Column[] }[];
  readonly uniqueConstraints: readonly UniqueConstraint[];
}

interface IndexConfig {
  readonly name: string;
  /** PostgreSQL's columns are copies with an order. */
  readonly columns: readonly (
    | SQL
    | { readonly name: string; readonly indexConfig?: { readonly order?: string } }
  )[];
  readonly unique?: boolean;
  readonly where?: SQL;
  readonly method?: string;
}

interface UniqueConstraint {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly nullsNotDistinct?: boolean;
}

export interface ForeignKey {
  readonly onDelete: string | undefined;
  readonly onUpdate: string | undefined;
  getName(): string;
  reference(): {
    readonly columns: readonly Column[];
    readonly foreignColumns: readonly Column[];
    readonly foreignTable: Table;
  };
}

/** Columns in what the dialects' classes differ. */
export type DialectColumn = Column & {
  readonly autoIncrement?: boolean;
  readonly hasOnUpdateNow?: boolean;
};

/** What differs between the dialects in reading tables. */
export interface DialectTables {
  isTable(value: unknown): boolean;
  readConfig(table: Table): TableConfig;
  toText(condition: SQL): string;
}

/** Returns what reads tables of a dialect. */
export function createDialectTables(dialect: Dialect): DialectTables {
  if (dialect === "sqlite") {
    const writer = new sqlite.SQLiteSyncDialect();
    return {
      isTable: (value) => is(value, sqlite.SQLiteTable),
      readConfig: (table) => readWith(sqlite.getTableConfig, table),
      toText: (condition) => writer.sqlToQuery(condition).sql,
    };
  }
  const core = dialect === "postgres" ? pg : mysql;
  const writer = dialect === "postgres" ? new pg.PgDialect() : new mysql.MySqlDialect();
  return {
    isTable: (value) => is(value, dialect === "postgres" ? pg.PgTable : mysql.MySqlTable),
    readConfig: (table) => readWith(core.getTableConfig, table),
    toText: (condition) => writer.sqlToQuery(condition).sql,
  };
}

/** Each dialect's function reads tables of its own, which `isTable` tells. */
function readWith(toConfig: (table: never) => unknown, table: Table): TableConfig {
  return toConfig(table as never) as TableConfig;
}
