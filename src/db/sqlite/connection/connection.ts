import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import type { WriteResult } from "../../contract/database.ts";
import { ConstraintError, DatabaseError, isFault } from "../../contract/database-error.ts";
import type { OnQuery } from "../../contract/statements.ts";
import type { WriteTracker } from "../../writes/feed.ts";
import { toSqliteFault } from "./faults.ts";
import { findReference, readTableOwner } from "./foreign-keys.ts";
import { assertBindable } from "./parameters.ts";
import { StatementCache } from "./statement-cache.ts";
import type { StatementLimit, StatementLimits } from "./statement-limits.ts";

/** A statement that takes longer keeps requests waiting that have nothing to do with it. */
export const BRIEF_MS = 50;

/** A row by column name. */
export type Row = Record<string, unknown>;

/** What runs statements, each to its end. */
export interface StatementRunner {
  /** Returns the rows as lists of values. */
  values(sql: string, parameters: unknown[]): unknown[][];
  /** Returns the rows by column name. */
  all(sql: string, parameters: unknown[]): Row[];
  /** Writes, and tells how many rows it touched. */
  write(sql: string, parameters: unknown[]): WriteResult;
  /** Runs a whole script, without parameters and without keeping it prepared. */
  execute(script: string): void;
}

/**
 * One connection. Every call runs to its end before it returns, keeps its statement prepared, and throws
 * DatabaseError or ConstraintError.
 */
export class SqliteConnection implements StatementRunner {
  readonly #database: Database;
  readonly #statements: StatementCache;
  readonly #onQuery: OnQuery | null;
  #limit: StatementLimit | null = null;
  #limitMs = 0;
  #isUnlimited = false;
  readonly #writes: WriteTracker | null;
  #isClosed = false;
  /** When it last found no room on the disk, by `performance.now()`. */
  fullAt = Number.NEGATIVE_INFINITY;

  /** @param writes follows what is written; null for a connection that only reads */
  constructor(database: Database, onQuery: OnQuery | null, writes: WriteTracker | null = null) {
    this.#database = database;
    this.#statements = new StatementCache(database);
    this.#onQuery = onQuery;
    this.#writes = writes;
  }

  /** Whether a transaction is open; SQLite ends it by itself after errors such as a full disk. */
  get isInTransaction(): boolean {
    return !this.#isClosed && this.#database.inTransaction;
  }

  /**
   * Has its statements be cut from now on that take longer than `ms`.
   *
   * @param options.isBrief whether what is cut can be run elsewhere: it is known from then on
   * @throws Error where that can't be had
   */
  limitBy(limits: StatementLimits, ms: number, { isBrief = false } = {}): void {
    this.#limit = limits.limit(this.#database);
    this.#limitMs = ms;
    this.#limit.set(this.#isUnlimited ? null : ms, isBrief);
  }

  /** Runs `work` with statements that take as long as they do. */
  async withoutLimit<T>(work: () => Promise<T>): Promise<T> {
    this.#isUnlimited = true;
    this.#limit?.set(null);
    try {
      return await work();
    } finally {
      this.#isUnlimited = false;
      this.#limit?.set(this.#limitMs);
    }
  }

  /** Runs what only reads; where it isn't brief it is cut, to be run elsewhere. */
  runBriefly<T>(task: (connection: StatementRunner) => T): T {
    const limit = this.#limit;
    return limit === null ? task(this) : limit.during(BRIEF_MS, () => task(this));
  }

  values(sql: string, parameters: unknown[]): unknown[][] {
    return this.#run(sql, parameters, readValues);
  }

  all(sql: string, parameters: unknown[]): Row[] {
    return this.#run(sql, parameters, readAll);
  }

  write(sql: string, parameters: unknown[]): WriteResult {
    return this.#run(sql, parameters, write);
  }

  execute(script: string): void {
    this.#assertOpen();
    this.#limit?.begin(script);
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
    this.#limit?.begin(sql);
    const startedAt = this.#onQuery === null ? 0 : performance.now();
    let isPrepared = false;
    try {
      const statement = this.#statements.get(sql);
      isPrepared = true;
      const result = read(statement, parameters);
      if (this.#writes?.isHeard === true) this.#writes.noteRun(sql, this.#database.inTransaction);
      return result;
    } catch (error) {
      this.#writes?.noteFailure(this.isInTransaction);
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
    if (isFault(fault, "timeout")) this.#limit?.note(sql);
    if (isFault(fault, "full")) this.fullAt = performance.now();
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
