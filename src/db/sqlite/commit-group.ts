import { isFault } from "../contract/database-error.ts";
import type { Caller } from "../contract/driver.ts";
import { abandoned, isAbandoned, noteWritten } from "../transactions/callers.ts";
import type { Task } from "./channel.ts";
import { retryWhileBusy } from "./connection/busy.ts";
import type { SqliteConnection } from "./connection/connection.ts";
import type { DeferredKeys } from "./deferred-keys.ts";
import type { EventLoopTurn } from "./event-loop-turn.ts";

/** What groups run on. */
export interface CommitGround {
  readonly reader: SqliteConnection;
  readonly writer: SqliteConnection;
  readonly turn: EventLoopTurn;
  readonly keys: DeferredKeys;
  /** How long a group waits, for its turn and for another process, in ms. */
  readonly waitMs: number;
  /** Told of each commit, before whoever waits for it. */
  readonly onCommit: () => void;
  /** Runs a read that was cut elsewhere. */
  readonly readApart: <T>(task: Task<T>, error: unknown) => Promise<T>;
}

// With more, little would be gained, and more be run again where the commit fails.
const MOST_IN_A_COMMIT = 256;

/**
 * Statements that share a commit: each is acknowledged after it, and one that fails undoes itself alone. What comes of
 * them is what would come of them one after another, each with a commit of its own: where that can't be had together,
 * they are run so.
 */
export class CommitGroup {
  readonly #ground: CommitGround;
  readonly #askedAt = performance.now();
  readonly #statements: WaitingStatement[] = [];
  /** How many have been acknowledged. */
  #done = 0;
  /** How many of the next must be run apart, each with a commit of its own. */
  #apart = 0;

  constructor(ground: CommitGround) {
    this.#ground = ground;
  }

  get size(): number {
    return this.#statements.length;
  }

  /** Has a statement run in its place, for `caller`. A read among the writes sees those before it. */
  add<T>(task: Task<T>, isRead: boolean, caller?: Caller): Promise<T> {
    const statement = new WaitingStatement(task, { isRead, caller, readApart: this.#ground.readApart });
    this.#statements.push(statement);
    return statement.promise as Promise<T>; // what the task returns
  }

  /**
   * Runs what can be run without waiting; the caller holds the writer lock.
   *
   * @returns "done", or why not all have been run: since the turn "is long", or another process has the file "locked"
   */
  runNow(): "done" | "is long" | "locked" {
    const { turn, keys } = this.#ground;
    while (this.#left > 0) {
      if (turn.isLong()) return "is long";
      if (this.#apart === 0 && (keys.takeSuspicion() || this.#left === 1)) this.#apart = 1;
      if (this.#apart > 0) {
        if (!this.#runNext()) return "locked";
      } else {
        if (!this.#tryBegin()) return "locked";
        this.#apart = this.#commitSome();
      }
    }
    return "done";
  }

  /** Runs all, in as many commits as turns of the event loop are needed for them; the caller holds the writer lock. */
  async run(): Promise<void> {
    /* oxlint-disable no-await-in-loop -- one commit after another */
    for (let state = this.runNow(); state !== "done"; state = this.runNow()) {
      if (state === "is long") await this.#ground.turn.next();
      else if (this.#apart > 0) await this.#runNextPatiently();
      else if (await this.#begin()) this.#apart = this.#commitSome();
    }
    /* oxlint-enable no-await-in-loop */
  }

  /** Refuses all that haven't been run. */
  fail(error: unknown): void {
    for (const statement of this.#statements.splice(this.#done)) statement.fail(error);
  }

  get #left(): number {
    return this.#statements.length - this.#done;
  }

  #tryBegin(): boolean {
    try {
      this.#ground.writer.write("begin immediate", []);
      return true;
    } catch {
      return false;
    }
  }

  /** Begins once no other process writes. What only reads doesn't wait for that. */
  async #begin(): Promise<boolean> {
    const { reader, writer, waitMs } = this.#ground;
    for (const read of this.#takeReads()) {
      read.run(reader);
      read.settle();
    }
    try {
      await retryWhileBusy(() => writer.write("begin immediate", []), waitMs, this.#askedAt);
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  #takeReads(): WaitingStatement[] {
    const left = this.#statements.splice(this.#done);
    this.#statements.push(...left.filter(({ isRead }) => !isRead));
    return left.filter(({ isRead }) => isRead);
  }

  /**
   * Runs, in the transaction that is open, as many as the turn has time for.
   *
   * @returns how many must be run apart, since the transaction came to nothing; 0 where it is committed
   */
  #commitSome(): number {
    const { writer, turn, keys, onCommit } = this.#ground;
    const most = Math.min(this.#left, MOST_IN_A_COMMIT);
    let count = 0;
    try {
      if (keys.areThere(writer)) {
        writer.write("rollback", []);
        return most;
      }
      do {
        const statement = this.#statements[this.#done + count];
        count += 1;
        if (statement === undefined || statement.run(writer)) continue;
        // ON CONFLICT ROLLBACK, RAISE(ROLLBACK) or a full disk has undone what others have written as well.
        if (!writer.isInTransaction) return count;
        if (statement.isBusy) throw statement.error;
      } while (count < most && !turn.isLong());
      writer.write("commit", []);
    } catch {
      if (writer.isInTransaction) writer.write("rollback", []);
      return Math.max(count, 1);
    }
    onCommit();
    this.#acknowledge(count);
    return 0;
  }

  /** Runs one with a commit of its own. @returns false when it must wait for another process */
  #runNext(): boolean {
    const statement = this.#statements[this.#done];
    if (statement === undefined) return false;
    const { reader, writer } = this.#ground;
    statement.run(statement.isRead ? reader : writer);
    if (statement.isBusy) return false;
    this.#finishNext(statement);
    return true;
  }

  async #runNextPatiently(): Promise<void> {
    const statement = this.#statements[this.#done];
    if (statement === undefined) return;
    const { reader, writer, waitMs } = this.#ground;
    const patience = { waitMs, askedAt: this.#askedAt };
    const isRun = await statement.runPatiently(statement.isRead ? reader : writer, patience);
    if (isRun) this.#finishNext(statement);
    else this.fail(statement.error);
  }

  #finishNext(statement: WaitingStatement): void {
    this.#apart -= 1;
    if (!statement.isRead) this.#ground.onCommit();
    this.#acknowledge(1);
  }

  #acknowledge(count: number): void {
    const end = this.#done + count;
    for (; this.#done < end; this.#done += 1) this.#statements[this.#done]?.settle();
  }
}

interface WaitingStatementOptions extends Pick<CommitGround, "readApart"> {
  readonly isRead: boolean;
  readonly caller: Caller | undefined;
}

/** A statement, and whoever waits for what comes of it. */
class WaitingStatement {
  readonly promise: Promise<unknown>;
  readonly isRead: boolean;
  readonly #task: Task<unknown>;
  readonly #caller: Caller | undefined;
  readonly #readApart: CommitGround["readApart"];
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;
  #value: unknown;
  #error: unknown;
  #isDone = false;

  constructor(task: Task<unknown>, { isRead, caller, readApart }: WaitingStatementOptions) {
    this.#task = task;
    this.#readApart = readApart;
    this.#caller = caller;
    this.isRead = isRead;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Why it couldn't be run when it last was. */
  get error(): unknown {
    return this.#error;
  }

  /** Whether it failed since another process has locked the file. */
  get isBusy(): boolean {
    return !this.#isDone && isFault(this.#error, "busy");
  }

  /** Whether it has taken longer than it may. */
  get isCut(): boolean {
    return !this.#isDone && isFault(this.#error, "timeout");
  }

  /** @returns whether it succeeded */
  run(connection: SqliteConnection): boolean {
    // Run again it would be cut again.
    if (this.isCut) return false;
    try {
      if (isAbandoned(this.#caller)) throw abandoned();
      this.#value = this.isRead ? connection.runBriefly(this.#task) : this.#task(connection);
      this.#isDone = true;
    } catch (error) {
      this.#error = error;
      this.#isDone = false;
    }
    return this.#isDone;
  }

  /** @returns false when another process has kept the file locked for `waitMs` */
  async runPatiently(
    connection: SqliteConnection,
    { waitMs, askedAt }: { readonly waitMs: number; readonly askedAt: number },
  ): Promise<boolean> {
    const rethrowBusy = (): void => {
      this.run(connection);
      if (this.isBusy) throw this.#error;
    };
    try {
      await retryWhileBusy(rethrowBusy, waitMs, askedAt);
      return true;
    } catch (error) {
      this.#error = error;
      return false;
    }
  }

  settle(): void {
    if (this.#isDone) {
      noteWritten(this.#caller);
      this.#resolve(this.#value);
    } else if (this.isRead) this.#resolve(this.#readApart(this.#task, this.#error));
    else this.#reject(this.#error);
  }

  fail(error: unknown): void {
    this.#reject(error);
  }
}
