import type { Database, Statement } from "bun:sqlite";

/**
 * Keeps the statements of one connection prepared, by their SQL. When the cache is full, statements that
 * were not used since it was last full are finalized. No statement is in use then: each run ends before the next begins.
 */
export class StatementCache {
  readonly #database: Database;
  readonly #size: number;
  #recent = new Map<string, Statement>();
  #older = new Map<string, Statement>();

  /** @param size holds at least this many statements, and at most twice as many */
  constructor(database: Database, size = 256) {
    this.#database = database;
    this.#size = size;
  }

  /** Returns the statement of this SQL, from `prepare()` only when it isn't kept. */
  get(sql: string): Statement {
    return this.#recent.get(sql) ?? this.#renew(sql);
  }

  /** Finalizes all of them. */
  clear(): void {
    for (const statement of [...this.#recent.values(), ...this.#older.values()]) statement.finalize();
    this.#recent.clear();
    this.#older.clear();
  }

  #renew(sql: string): Statement {
    const statement = this.#older.get(sql) ?? this.#database.prepare(sql);
    this.#older.delete(sql);
    if (this.#recent.size >= this.#size) {
      for (const unused of this.#older.values()) unused.finalize();
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(sql, statement);
    return statement;
  }
}
