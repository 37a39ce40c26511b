import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import type { WriteResult } from "../../contract/database.ts";
import { ConstraintError, DatabaseError } from "../../contract/database-error.ts";
import type { OnQuery } from "../../contract/statements.ts";
import { toSqliteFault } from "./faults.ts";
import { findReference, readTableOwner } from "./foreign-keys.ts";
import { assertBindable } from "./parameters.ts";
import { StatementCache } from "./statement-cache.ts";

/** A row by column name. */
export type Row = Record<string, unknown>;

/**
 * One connection. Every call runs to its end before it returns, keeps its statement prepared, and throws
 * DatabaseError or ConstraintError.
 */
export class SqliteConnection {
  readonly #database: Database;
  readonly #statements: StatementCache;
  readonly #onQuery: OnQuery | null;
  #isClosed = false;

  constructor(database: Database, onQuery: OnQuery | null) {
    this.#database = database;
    this.#statements = new StatementCache(database);
    this.#onQuery = onQuery;
  }

  /** Whether a transaction is open; SQLite ends it by itself after errors such as a full disk. */
  get isInTransaction(): boolean {
    return !this.#isClosed && this.#database.inTransaction;
  }

  /** Returns the rows as lists of values. */
  values(sql: string, parameters: unknown[]): unknown[][] {
    return this.#run(sql, parameters, readValues);
  }

  /** Returns the rows by column name. */
  all(sql: string, parameters: unknown[]): Row[] {
    return this.#run(sql, parameters, readAll);
  }

  /** Writes, and tells how many rows it touched. */
  write(sql: string, parameters: unknown[]): WriteResult {
    return this.#run(sql, parameters, write);
  }

  /** Runs a whole script, without parameters and without keeping it prepared. */
  execute(script: string): void {
    this.#assertOpen();
    const startedAt = this.#onQuery === null ? 0 : performance.now();
    try {
      this.#database.run(script);
    } catch (error) {
      throw toSqliteFault(error, { sql: script, showsReason: true });
    } finally {
      this.#onQuery?.(script, performance.now() - startedAt);
    }
  }

  /** Closes it; later calls throw DatabaseError "unavailable". */
  close(): void {
    this.#isClosed = true;
    this.#statements.clear();
    this.#database.close();
  }

  #run<T>(sql: string, parameters: unknown[], read: StatementReader<T>): T {
    this.#assertOpen();
    assertBindable(parameters, sql);
    const startedAt = this.#onQuery === null ? 0 : performance.now();
    let isPrepared = false;
    try {
      const statement = this.#statements.get(sql);
      isPrepared = true;
      return read(statement, parameters);
    } catch (error) {
      throw this.#toFault(error, { sql, parameters, isPrepared });
    } finally {
      this.#onQuery?.(sql, performance.now() - startedAt);
    }
  }

  #toFault(
    error: unknown,
    { sql, parameters, isPrepared }: { sql: string; parameters: SQLQueryBindings[]; isPrepared: boolean },
  ): unknown {
    const fault = toSqliteFault(error, {
      sql,
      showsReason: !isPrepared,
      findReference: () => findReference(this.#database, sql, parameters),
    });
    const query = fault instanceof ConstraintError ? fault.ownerQuery : null;
    const owner = query === null ? null : readTableOwner(this.#database, query);
    if (owner !== null && fault instanceof ConstraintError) fault.nameOwner(owner);
    return fault;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new DatabaseError("unavailable", "Cannot query the database: it is closed");
  }
}

type StatementReader<T> = (statement: Statement, parameters: SQLQueryBindings[]) => T;

// Parameters go in as one array: a single object would be taken for named parameters, and bind nothing.
function readValues(statement: Statement, parameters: SQLQueryBindings[]): unknown[][] {
  return statement.values(parameters);
}

function readAll(statement: Statement, parameters: SQLQueryBindings[]): Row[] {
  return statement.all(parameters) as Row[]; // rows are objects by column name
}

function write(statement: Statement, parameters: SQLQueryBindings[]): WriteResult {
  return { rowsAffected: statement.run(parameters).changes };
}
