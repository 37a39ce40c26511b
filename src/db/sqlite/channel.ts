import { AsyncLocalStorage } from "node:async_hooks";
import { isFault } from "../contract/database-error.ts";
import { isRead, isWrite } from "../contract/statements.ts";
import { ChangeToken } from "./change-token.ts";
import { CommitGroup, type CommitGround } from "./commit-group.ts";
import { retryWhileBusy } from "./connection/busy.ts";
import type { SqliteConnection, StatementRunner } from "./connection/connection.ts";
import type { ReadingThreads } from "./connection/reading-threads.ts";
import { AmbientTransaction } from "../transactions/ambient.ts";
import { assertWanted, type Callers, noteWritten, transactFor } from "../transactions/callers.ts";
import { TransactionLimit, type TransactionLimitOptions } from "../transactions/limit.ts";
import type { OwnedOptions } from "../transactions/owner.ts";
import type { CommitListening } from "../transactions/commits.ts";
import { DeferredKeys } from "./deferred-keys.ts";
import { EventLoopTurn } from "./event-loop-turn.ts";
import type { FileWatch } from "./file-watch.ts";
import type { LogGrowth } from "./log-growth.ts";
import type { SqlitePool } from "./connection/pool.ts";
import { OpenTransaction } from "./transaction.ts";
import { WriterLock } from "./writer-lock.ts";

/** Work on a connection that runs to its end at once. */
export type Task<T> = (connection: StatementRunner) => T;

/** Where the statements of a session run: on the open database, or in one transaction. */
export interface Channel extends CommitListening {
  /** Runs a task that only reads. */
  read<T>(task: Task<T>, sql?: string): Promise<T>;
  /** Runs an insert, an update or a delete. */
  write<T>(task: Task<T>, sql?: string): Promise<T>;
  /** Runs any other task. */
  execute<T>(task: Task<T>, sql?: string): Promise<T>;
  /**
   * Returns a number that is another one once anybody has committed something; null inside a transaction, which sees
   * more than what is committed.
   *
   * @throws DatabaseError
   */
  changeToken(): number | null;
  /** Runs `work` in a transaction; inside of one, in a savepoint. */
  transact<T>(work: (channel: Channel) => Promise<T>, options?: OwnedOptions): Promise<T>;
}

/** Which of a channel's ways a statement takes. */
export type Way = "read" | "write" | "execute";

/** Finds out which way a statement takes, as far as its text tells. */
export function wayOf(statement: string): Way {
  if (isRead(statement)) return "read";
  return isWrite(statement) ? "write" : "execute";
}

export interface ChannelOptions {
  /** How long a write waits for its turn, and for other processes, in ms. */
  readonly waitMs: number;
  /** Whether a commit waits for the disk. */
  readonly isDurable: boolean;
  readonly transactions: TransactionLimitOptions;
  readonly callers: Callers;
  readonly files: FileWatch;
  readonly growth: LogGrowth;
}

/**
 * The open database: reads go to the reading connection at once, writes and transactions to the writing one, in the order
 * in which they came. Writes that come in one turn of the event loop share a commit. Where another process has locked
 * the file they wait without blocking the event loop.
 */
export class SqliteChannel implements Channel {
  readonly changes: ChangeToken;
  readonly #reader: SqliteConnection;
  readonly #writer: SqliteConnection;
  readonly #waitMs: number;
  readonly #transactions: TransactionLimitOptions;
  readonly #callers: Callers;
  readonly #files: FileWatch;
  readonly #growth: LogGrowth;
  readonly #ambient = new AmbientTransaction<Channel>();
  readonly #turn = new EventLoopTurn();
  readonly #lock: WriterLock;
  readonly #keys = new DeferredKeys();
  readonly #ground: CommitGround;
  /** Null where every write waits for the others of its turn. */
  readonly #solo: SoloWrites | null;
  /** The writes of this turn that wait for its end. */
  #gathered: CommitGroup | null = null;
  #commits = 0;
  /** Where reads are run that take long; null where there is nothing that would cut them here. */
  #threads: ReadingThreads | null = null;
  /** The work that holds the writer lock, seen from inside it, to tell when a write would wait for itself. */
  readonly #holder = new AsyncLocalStorage<{ holds: boolean }>();

  constructor({ reader, writer }: SqlitePool, options: ChannelOptions) {
    const { waitMs, isDurable, transactions, callers, files, growth } = options;
    this.#reader = reader;
    this.#writer = writer;
    this.changes = new ChangeToken(reader, this);
    this.#waitMs = waitMs;
    this.#transactions = transactions;
    this.#callers = callers;
    this.#files = files;
    this.#growth = growth;
    this.#lock = new WriterLock(this.#turn, waitMs);
    this.#solo = isDurable ? null : new SoloWrites();
    const onCommit = (): void => void (this.#commits += 1);
    const readApart = <T>(task: Task<T>, error: unknown): Promise<T> => this.#readApart(task, error);
    this.#ground = { reader, writer, turn: this.#turn, keys: this.#keys, waitMs, onCommit, readApart };
  }

  /** Has reads that take long run by threads of their own, from now on. */
  useThreads(threads: ReadingThreads): void {
    this.#threads = threads;
  }

  /** Counts what may have been committed by this process. */
  get writes(): number {
    return this.#lock.releases + this.#commits;
  }

  read<T>(task: Task<T>): Promise<T> {
    const ambient = this.#ambient.current;
    if (ambient !== null) return ambient.read(task);
    // Behind a transaction, a read doesn't wait with the writes.
    if (this.#gathered !== null && !this.#lock.isHeld) return this.#gathered.add(task, true);
    if (this.#turn.isLong()) return this.#readLater(task);
    try {
      return Promise.resolve(task(this.#reader));
    } catch (error) {
      return isFault(error, "busy") ? this.#readLater(task) : this.#readApart(task, error);
    }
  }

  changeToken(): number | null {
    return this.#ambient.current === null ? this.changes.read() : null;
  }

  write<T>(task: Task<T>): Promise<T> {
    const ambient = this.#ambient.current;
    if (ambient !== null) return ambient.write(task);
    try {
      this.#assertWritable();
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#gathered !== null) return this.#join(this.#gathered, task);
    if (this.#solo?.take() === true && this.#lock.tryAcquire()) return this.#runAlone(task);
    this.#gathered = new CommitGroup(this.#ground);
    setImmediate(this.#commitGathered);
    return this.#join(this.#gathered, task);
  }

  execute<T>(task: Task<T>): Promise<T> {
    const ambient = this.#ambient.current;
    if (ambient !== null) return ambient.execute(task);
    try {
      this.#assertWritable();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#commitGathered();
    const caller = this.#callers.current;
    const run: Task<T> = () => {
      assertWanted(caller);
      const result = this.#runOwn(task);
      noteWritten(caller);
      return result;
    };
    if (this.#lock.tryAcquire()) return this.#runHolding(run);
    const askedAt = performance.now();
    return this.withWriter((writer) => this.#patiently(() => run(writer), askedAt));
  }

  transact<T>(
    work: (channel: Channel) => Promise<T>,
    { owner, isAmbient = false }: OwnedOptions = {},
  ): Promise<T> {
    const ambient = this.#ambient.current;
    if (ambient !== null) return ambient.transact(work);
    const limit = new TransactionLimit(this.#transactions, owner);
    const caller = this.#callers.current;
    const askedAt = performance.now();
    const transact = (wanted: typeof work): Promise<T> =>
      this.withWriter(async (writer) => {
        assertWanted(caller);
        await this.#patiently(() => writer.write("begin immediate", []), askedAt);
        return OpenTransaction.run({ writer, turn: this.#turn, limit, files: this.#files }, wanted);
      });
    const run: typeof work = isAmbient ? (channel) => this.#ambient.run(channel, () => work(channel)) : work;
    return transactFor(caller, transact, run);
  }

  afterCommit(listener: () => void): void {
    const ambient = this.#ambient.current;
    if (ambient === null) listener();
    else ambient.afterCommit(listener);
  }

  /** Carries the log over into the file and empties it; says whether nobody was in the way. @throws DatabaseError "busy" */
  async emptyLog(): Promise<boolean> {
    await this.#lock.acquire();
    try {
      const [[isBusy] = []] = this.#writer.values("pragma wal_checkpoint(truncate)", []);
      return isBusy === 0;
    } finally {
      this.#lock.release();
    }
  }

  /** Runs `work` while nobody else of this process writes. @throws DatabaseError "busy" or "lost" */
  async withWriter<T>(work: (writer: SqliteConnection) => Promise<T>): Promise<T> {
    this.assertNotHolder();
    this.#assertWritable();
    this.#commitGathered();
    await this.#lock.acquire();
    const holder = { holds: true };
    try {
      return await this.#holder.run(holder, work, this.#writer);
    } finally {
      holder.holds = false;
      this.#lock.release();
    }
  }

  /** Refuses what would wait for its own caller. @throws TypeError */
  assertNotHolder(): void {
    if (this.#holder.getStore()?.holds !== true) return;
    throw new TypeError(
      "Cannot write through `db` inside its transaction, or close it: that would wait for itself; use the `tx` that the callback gets",
    );
  }

  #assertWritable(): void {
    this.#files.assertThere();
    this.#growth.assertRoom();
  }

  #join<T>(group: CommitGroup, task: Task<T>): Promise<T> {
    const caller = this.#callers.current;
    if (!this.#lock.isHeld) return group.add(task, false, caller);
    try {
      this.assertNotHolder();
    } catch (error) {
      return Promise.reject(error);
    }
    return group.add(task, false, caller);
  }

  /** Has the writes that wait take their place before whatever comes now. */
  readonly #commitGathered = (): void => {
    const group = this.#gathered;
    if (group === null) return;
    this.#gathered = null;
    this.#solo?.note(group.size);
    if (!this.#lock.tryAcquire()) {
      void this.#commitLater(group, this.#lock.acquire());
      return;
    }
    // What was waited for goes on when the lock is free again: it may write next.
    let isDone = true;
    try {
      isDone = group.runNow() === "done";
    } catch (error) {
      group.fail(error);
    }
    if (isDone) this.#lock.release();
    else void this.#commitLater(group, null);
  };

  /** @param acquired resolves when the lock is ours; null when it is already */
  async #commitLater(group: CommitGroup, acquired: Promise<void> | null): Promise<void> {
    try {
      await acquired;
    } catch (error) {
      group.fail(error);
      return;
    }
    try {
      await group.run();
    } catch (error) {
      group.fail(error);
    } finally {
      this.#lock.release();
    }
  }

  async #readLater<T>(task: Task<T>): Promise<T> {
    await this.#turn.next();
    try {
      return await this.#patiently(() => task(this.#reader));
    } catch (error) {
      return await this.#readApart(task, error);
    }
  }

  /** Runs a read again that was cut, where it keeps nobody waiting; rejects with any other error. */
  #readApart<T>(task: Task<T>, error: unknown): Promise<T> {
    if (this.#threads === null || !isFault(error, "timeout")) return Promise.reject(error);
    return this.#threads.run(task);
  }

  #runAlone<T>(task: Task<T>): Promise<T> {
    const caller = this.#callers.current;
    if (caller === undefined) return this.#runHolding(task);
    return this.#runHolding((writer) => {
      assertWanted(caller);
      const result = task(writer);
      noteWritten(caller);
      return result;
    });
  }

  /** Runs a task at once, and without waiting for a turn of the event loop; the caller has the lock. */
  #runHolding<T>(task: Task<T>): Promise<T> {
    try {
      const result = task(this.#writer);
      this.#lock.release();
      return Promise.resolve(result);
    } catch (error) {
      if (!isFault(error, "busy")) {
        this.#lock.release();
        return Promise.reject(error);
      }
      return this.#patiently(() => task(this.#writer)).finally(() => this.#lock.release());
    }
  }

  #runOwn<T>(task: Task<T>): T {
    this.#keys.suspect();
    const result = task(this.#writer);
    if (!this.#writer.isInTransaction) return result;
    // Left open by a BEGIN, it would take in the writes of all others and lose them together.
    this.#writer.write("rollback", []);
    throw new TypeError("Cannot run BEGIN or SAVEPOINT as a query: use db.transaction()");
  }

  #patiently<T>(run: () => T, askedAt?: number): Promise<T> {
    return retryWhileBusy(run, this.#waitMs, askedAt);
  }
}

const LONGEST_SOLO = 512;

/**
 * Where a commit costs little, a write that comes alone needn't wait for others. After a group of one, writes are run as
 * they come: twice as many each time before it is tried again whether they come together.
 */
class SoloWrites {
  #left = 0;
  #last = 0;

  /** Whether the next write is run at once. */
  take(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  /** @param size of the last group */
  note(size: number): void {
    this.#last = size > 1 ? 0 : Math.min(Math.max(this.#last * 2, 1), LONGEST_SOLO);
    this.#left = this.#last;
  }
}
