import type { BenchServer } from "../server.ts";

/** Rows of the table that all peers hold. */
export const ROWS = 100_000;
/** Accounts that can log in, each with PASSWORD. */
export const ACCOUNTS = 8;
export const PASSWORD = "correct horse battery";
/** Of bcrypt, for all of them. */
export const BCRYPT_COST = 10;
/** A row as a client sends it. */
export const NEW_ROW = {
  title: "A new article",
  views: 7,
  published: true,
  created_at: "2026-01-02T03:04:05.000Z",
};

/** A server that answers the same questions about the same rows as the others. */
export interface Peer {
  readonly name: string;
  /** What a commit waits for, in the words of SQLite. */
  readonly durability: string;
  /** Starts it on its data, and waits for the first list. */
  start(): Promise<BenchServer>;
  readonly paths: {
    /** 20 rows and the number of all, 20 rows alone, and 20 sorted by an indexed column. */
    readonly list: string;
    readonly listOnly: string;
    readonly sorted: string;
    readonly one: string;
    /** Where a row is sent to. */
    readonly create: string;
  };
  /** What logs an account in. */
  readonly login: (account: number) => { readonly path: string; readonly body: object };
  /** Removes its data. */
  remove(): Promise<void>;
}

export function emailOf(account: number): string {
  return `user${account}@example.com`;
}
