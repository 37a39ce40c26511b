import { DatabaseError } from "../contract/database-error.ts";
import { CommitListeners } from "../transactions/commits.ts";
import type { TransactionLimit } from "../transactions/limit.ts";
import type { Channel, Task } from "./channel.ts";
import type { SqliteConnection } from "./connection/connection.ts";
import type { EventLoopTurn } from "./event-loop-turn.ts";
import type { FileWatch } from "./file-watch.ts";

/** What a transaction and its savepoints stand on. */
interface TransactionGround {
  readonly writer: SqliteConnection;
  readonly turn: EventLoopTurn;
  readonly limit: TransactionLimit;
  readonly files: FileWatch;
  /** Told of its commit. */
  readonly commits?: CommitListeners;
}

/**
 * One open transaction on the writing connection, or one savepoint in it: the queries of its `tx` run through
 * it, and are refused once it has ended.
 */
export class OpenTransaction implements Channel {
  readonly #writer: SqliteConnection;
  readonly #turn: EventLoopTurn;
  readonly #limit: TransactionLimit;
  readonly #files: FileWatch;
  readonly #commits: CommitListeners;
  readonly #depth: number;
  #isOpen = true;
  #hasSavepoint = false;
  /** Why SQLite has ended the transaction by itself. */
  #endedBy: unknown = null;

  private constructor(ground: TransactionGround, depth: number) {
    const { writer, turn, limit, files, commits = new CommitListeners() } = ground;
    this.#writer = writer;
    this.#turn = turn;
    this.#limit = limit;
    this.#files = files;
    this.#commits = commits;
    this.#depth = depth;
  }

  /**
   * Runs `work` between BEGIN, which the caller has done, and COMMIT; rolls back when either fails, or at its limit. The
   * caller holds the writer lock.
   */
  static run<T>(ground: TransactionGround, work: (transaction: OpenTransaction) => Promise<T>): Promise<T> {
    const { writer, limit } = ground;
    const transaction = new OpenTransaction(ground, 0);
    return limit.enforce(
      () => transaction.#end(work, { keep: "commit", undo: ["rollback"] }),
      () => writer.isInTransaction && writer.write("rollback", []),
    );
  }

  /** Runs `work` in a savepoint: what it wrote stays or is undone as a whole. */
  async transact<T>(work: (savepoint: OpenTransaction) => Promise<T>): Promise<T> {
    this.#assertOpen();
    if (this.#hasSavepoint) {
      throw new TypeError(
        "Cannot open a transaction inside this one: another that was opened inside it has not ended; await one after the other",
      );
    }
    const savepoint = new OpenTransaction(
      {
        writer: this.#writer,
        turn: this.#turn,
        limit: this.#limit,
        files: this.#files,
        commits: this.#commits,
      },
      this.#depth + 1,
    );
    const name = `savepoint_${this.#depth}`;
    this.#writer.write(`savepoint ${name}`, []);
    this.#hasSavepoint = true;
    try {
      return await savepoint.#end(work, {
        keep: `release ${name}`,
        undo: [`rollback to ${name}`, `release ${name}`],
      });
    } finally {
      this.#hasSavepoint = false;
      this.#endedBy ??= savepoint.#endedBy;
    }
  }

  afterCommit(listener: () => void): void {
    this.#commits.add(listener);
  }

  changeToken(): null {
    return null;
  }

  read<T>(task: Task<T>): Promise<T> {
    return this.write(task);
  }

  execute<T>(task: Task<T>): Promise<T> {
    return this.write(task);
  }

  write<T>(task: Task<T>): Promise<T> {
    const run: Task<T> = () => this.#run(task);
    if (!this.#turn.isLong()) return runNow(run, this.#writer);
    return this.#turn.next().then(() => run(this.#writer));
  }

  #run<T>(task: Task<T>): T {
    this.#assertOpen();
    try {
      return task(this.#writer);
    } catch (error) {
      if (!this.#writer.isInTransaction) this.#endedBy ??= error;
      throw error;
    }
  }

  #assertOpen(): void {
    if (!this.#isOpen && this.#limit.reason === null) {
      throw new TypeError(
        "Cannot use a transaction: it has ended; await each of its queries inside its callback",
      );
    }
    this.#assertBegun();
  }

  /** Statements after SQLite's own rollback would each be a transaction of their own, and stay. */
  #assertBegun(): void {
    // By now the writing connection may be in the transaction of somebody else.
    if (this.#limit.reason !== null) throw this.#limit.reason;
    if (this.#writer.isInTransaction) return;
    if (this.#endedBy !== null) throw this.#endedBy;
    throw new DatabaseError(
      "other",
      "Cannot go on with the transaction: a COMMIT or ROLLBACK of its own has ended it",
    );
  }

  async #end<T>(
    work: (transaction: this) => Promise<T>,
    { keep, undo }: { readonly keep: string; readonly undo: readonly string[] },
  ): Promise<T> {
    try {
      const result = await work(this);
      this.#isOpen = false;
      this.#assertBegun();
      this.#files.assertThere();
      this.#writer.write(keep, []);
      if (this.#depth === 0) this.#commits.tell();
      return result;
    } catch (error) {
      this.#isOpen = false;
      if (this.#limit.reason === null && this.#writer.isInTransaction)
        for (const sql of undo) this.#writer.write(sql, []);
      throw error;
    }
  }
}

/** Runs a task now. Its promise is settled already, so that awaiting it costs no turn of the event loop. */
function runNow<T>(task: Task<T>, connection: SqliteConnection): Promise<T> {
  try {
    return Promise.resolve(task(connection));
  } catch (error) {
    return Promise.reject(error);
  }
}
