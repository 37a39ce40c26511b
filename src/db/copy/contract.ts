import type { Dialect } from "../contract/driver.ts";

/** A value as its driver reads it: text wherever a number of JavaScript could lose something. */
export type Raw = null | string | number | bigint | boolean | Uint8Array;

/** A value on its way: text in one form for all databases, or bytes. Of SQLite to SQLite as it is. */
export type Cell = null | string | number | bigint | Uint8Array;

/** What a column holds, whatever each database calls it. "any" is SQLite's, where each value has a type of its own. */
export type Kind =
  | "any"
  | "blob"
  | "boolean"
  | "decimal"
  | "float"
  | "integer"
  | "json"
  | "text"
  | "timestamp"
  | "uuid";

export interface CopyColumn {
  readonly name: string;
  readonly kind: Kind;
  /** As the database names it. */
  readonly type: string;
}

export interface CopyTable {
  readonly name: string;
  /** Without those that the database computes. */
  readonly columns: readonly CopyColumn[];
  /** Names of the columns by which its rows are found in order; null where nothing tells rows apart. */
  readonly key: readonly string[] | null;
  /** The column that the database counts, if there is one. */
  readonly counted: string | null;
}

/** Rows that follow each other, and where the next ones begin. */
export interface CopyPage {
  readonly rows: readonly (readonly Raw[])[];
  /** Of the last row; null where no more follow. */
  readonly next: Key | null;
}

/** Where a table was read to. It is kept as JSON. */
export type Key = readonly KeyPart[];
/** A text, or a number that JSON would round, or bytes. */
export type KeyPart = { readonly text: string } | { readonly number: string } | { readonly bytes: string };

/** A database that rows are read from or written to, on one connection. What goes wrong is thrown as DatabaseError. */
export interface CopyDatabase extends AsyncDisposable {
  readonly dialect: Dialect;
  /** The URL as it may be shown. */
  readonly shown: string;
  /** Begins to read all of it as it is at one moment. */
  beginReading(): Promise<void>;
  /** Names of its tables, without what the database keeps beside others, such as an index of words. */
  listTables(): Promise<string[]>;
  describe(table: string): Promise<CopyTable>;
  /** Reads rows in the order of the key, after one of them. */
  readPage(table: CopyTable, from: Key | null, limit: number): Promise<CopyPage>;
  /** The number that the next row gets; null where it isn't known. */
  readNext(table: CopyTable): Promise<bigint | null>;
  setNext(table: CopyTable, next: bigint): Promise<void>;
  all<Row>(statement: string, parameters?: readonly (string | null)[]): Promise<Row[]>;
  run(statement: string, parameters?: readonly (string | null)[]): Promise<void>;
  transaction<T>(work: () => Promise<T>): Promise<T>;
  /** Whether nobody else copies into it, from now on until it is closed. */
  takeLock(): Promise<boolean>;
  /** Makes ready for rows in any order; returns statements that undo it, to be kept until the end. */
  loosen(): Promise<string[]>;
  insert(table: CopyTable, rows: readonly (readonly Cell[])[]): Promise<void>;
  /** Undoes what `loosen` has done. @throws DatabaseError where rows refer to others that aren't there */
  tighten(statements: readonly string[]): Promise<void>;
  quote(name: string): string;
}
