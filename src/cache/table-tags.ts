import { getTableName, is, Table } from "drizzle-orm";
import type { Driver, TableWrite } from "../db/contract/driver.ts";
import { findReach, type Reach } from "../db/writes/reach.ts";

type Database = Pick<Driver, "onTablesWritten" | "tableMakers"> | null;

/** Tags that stand for tables: a commit that has changed rows of one touches its tag. */
export class TableTags {
  readonly #database: Database;
  readonly #touch: (tags: readonly string[]) => void;
  readonly #watched = new Map<string, Table>();
  /** By tag; what a table refers to is there only once all modules of its plugin have run. */
  readonly #reaches = new Map<string, Reach>();
  #undo: (() => void) | null = null;

  constructor(database: Database, touch: (tags: readonly string[]) => void) {
    this.#database = database;
    this.#touch = touch;
  }

  /** Returns the tags of tables, which are touched from now on. @throws TypeError for what is no table */
  watch(tables: readonly Table[]): string[] {
    return tables.map((table) => {
      if (!is(table, Table)) throw new TypeError("Cannot cache by a table: what schema.ts exports is one");
      const tag = `@${getTableName(table)}`; // no tag of a plugin begins so
      // A reloaded plugin's own table object may refer to others.
      this.#watched.set(tag, table);
      this.#reaches.delete(tag);
      this.#undo ??= this.#database?.onTablesWritten((writes) => this.#onWritten(writes)) ?? null;
      return tag;
    });
  }

  /** Which of these are watched; all that are for null. */
  among(tags: readonly string[] | null): string[] {
    return tags === null ? [...this.#watched.keys()] : tags.filter((tag) => this.#watched.has(tag));
  }

  close(): void {
    this.#undo?.();
    this.#undo = null;
  }

  #onWritten(writes: readonly TableWrite[] | null): void {
    const tags = [...this.#watched].flatMap(([tag, table]) =>
      writes === null || this.#isReached(tag, table, writes) ? [tag] : [],
    );
    if (tags.length > 0) this.#touch(tags);
  }

  #isReached(tag: string, table: Table, writes: readonly TableWrite[]): boolean {
    const reach = this.#reaches.get(tag) ?? this.#findReach(tag, table);
    return reach === null || writes.some((write) => reach.get(write.table)?.has(write.verb) === true);
  }

  /** Null where its foreign keys can't be followed: any write may change it. */
  #findReach(tag: string, table: Table): Reach | null {
    if (this.#database === null) return null;
    try {
      const reach = findReach(table, this.#database.tableMakers);
      this.#reaches.set(tag, reach);
      return reach;
    } catch {
      return null;
    }
  }
}
