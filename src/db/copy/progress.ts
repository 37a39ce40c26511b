import type { CopyDatabase, Key } from "./contract.ts";

/** How far a table was copied. */
export interface TableProgress {
  /** Of the last row that is in the copy; null before the first. */
  readonly from: Key | null;
  readonly rows: number;
  /** Of the rows, whatever their order. */
  readonly sum: string;
  readonly isDone: boolean;
}

/** How far a copy has come as a whole. */
export interface CopyState {
  /** What tells one source from another. */
  readonly source: string;
  /** Whether its tables are there, and empty. */
  readonly isReady: boolean;
  /** How often it was begun. */
  readonly runs: number;
  /** What makes it an ordinary database again. */
  readonly undo: readonly string[];
}

export const PROGRESS_TABLE = "xcore_copy";
const STATE = ""; // no table is called so

/** What is kept in the copy of how far it has come, so that a process that is killed can be followed by one that goes on. */
export class Progress {
  readonly #database: CopyDatabase;

  constructor(database: CopyDatabase) {
    this.#database = database;
  }

  async create(): Promise<void> {
    const text = this.#database.dialect === "mysql" ? "longtext" : "text";
    await this.#database.run(
      `create table if not exists ${PROGRESS_TABLE} (name varchar(80) not null primary key, state ${text} not null)`,
    );
  }

  async drop(): Promise<void> {
    await this.#database.run(`drop table ${PROGRESS_TABLE}`);
  }

  readState(): Promise<CopyState | null> {
    return this.#read<CopyState>(STATE);
  }

  writeState(state: CopyState): Promise<void> {
    return this.#write(STATE, state);
  }

  readTable(name: string): Promise<TableProgress | null> {
    return this.#read<TableProgress>(name);
  }

  writeTable(name: string, progress: TableProgress): Promise<void> {
    return this.#write(name, progress);
  }

  async #read<T>(name: string): Promise<T | null> {
    const [row] = await this.#database.all<{ state: string }>(
      `select state from ${PROGRESS_TABLE} where name = ${this.#mark(1)}`,
      [name],
    );
    return row === undefined ? null : (JSON.parse(row.state) as T);
  }

  async #write(name: string, value: object): Promise<void> {
    await this.#database.run(`delete from ${PROGRESS_TABLE} where name = ${this.#mark(1)}`, [name]);
    await this.#database.run(
      `insert into ${PROGRESS_TABLE} (name, state) values (${this.#mark(1)}, ${this.#mark(2)})`,
      [name, JSON.stringify(value)],
    );
  }

  #mark(number: number): string {
    return this.#database.dialect === "postgres" ? `$${number}` : "?";
  }
}
