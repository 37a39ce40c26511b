import type { TransactionOptions } from "../contract/database.ts";
import { type DatabaseError, isFault } from "../contract/database-error.ts";
import type { ConnectionCounts, ServerDriverOptions } from "../contract/driver.ts";
import { assertNoControl, isRead, isSetting, isWrite } from "../contract/statements.ts";
import { type WriteFeed, WriteTracker } from "../writes/feed.ts";
import { AmbientTransaction } from "../transactions/ambient.ts";
import { assertWanted, noteWritten, transactFor } from "../transactions/callers.ts";
import type { CommitListening } from "../transactions/commits.ts";
import { TransactionLimit, type TransactionLimitOptions } from "../transactions/limit.ts";
import type { OwnedOptions } from "../transactions/owner.ts";
import type { ServerConnection, ServerLimits } from "./connection.ts";
import { toUnknownOutcome } from "./faults.ts";
import { GatheredWrites } from "./gathered-writes.ts";
import { ConnectionPool } from "./pool.ts";
import { RetryTurns } from "./retry-turns.ts";
import { OpenTransaction, type TransactionSyntax } from "./transaction.ts";
import { TransactionScope } from "./transaction-state.ts";

/** Work on a connection: one statement. */
export type Task<Connection, T> = (connection: Connection) => Promise<T>;

/** Where the statements of a session run: on the pool, or in one transaction. */
export interface Channel<Connection> extends CommitListening {
  /** Runs a task that only reads. */
  read<T>(task: Task<Connection, T>, sql?: string): Promise<T>;
  /** Runs a task that may write. */
  write<T>(task: Task<Connection, T>, sql?: string): Promise<T>;
  /** Runs a task with a statement that is neither a read nor a write. @throws TypeError for one that may not be run */
  execute<T>(task: Task<Connection, T>, sql: string): Promise<T>;
  /** Runs `work` in a transaction; inside of one, in a savepoint. */
  transact<T>(work: (channel: Channel<Connection>) => Promise<T>, options?: TransactionOptions): Promise<T>;
}

/** Runs a task as its statement wants it. */
export function runOn<Connection extends ServerConnection, T>(
  channel: Channel<Connection>,
  sql: string,
  task: Task<Connection, T>,
): Promise<T> {
  if (isRead(sql)) return channel.read(task, sql);
  return isWrite(sql) ? channel.write(task, sql) : executeOn(channel, sql, task);
}

async function executeOn<Connection extends ServerConnection, T>(
  channel: Channel<Connection>,
  sql: string,
  task: Task<Connection, T>,
): Promise<T> {
  assertNoControl(sql);
  const run: typeof task = (connection) => {
    if (isSetting(sql)) connection.isChanged = true;
    return task(connection);
  };
  return await channel.execute(run, sql);
}

export interface PoolChannelOptions<C extends ServerConnection> {
  readonly pool: ConnectionPool<C>;
  readonly scope: TransactionScope;
  readonly transactions: TransactionLimitOptions;
  readonly syntax: TransactionSyntax;
  readonly callers: ServerDriverOptions["callers"];
}

/** A transaction that other transactions are part of. */
interface Ambient<Connection> {
  readonly channel: Channel<Connection>;
  readonly isolation: Isolation;
}

type Isolation = TransactionOptions["isolation"];

const FULL_MS = 2000;
const ISOLATIONS: readonly Isolation[] = ["read committed", "repeatable read", "serializable"];

/** The open database: each statement and each transaction takes a connection of the pool. */
export class PoolChannel<C extends ServerConnection> implements Channel<C> {
  readonly #options: PoolChannelOptions<C>;
  readonly #turns = new RetryTurns();
  readonly #ambient = new AmbientTransaction<Ambient<C>>();
  /** When a write last found no room, by `performance.now()`. */
  #full: { readonly at: number; readonly error: DatabaseError } | null = null;

  constructor(options: PoolChannelOptions<C>) {
    this.#options = options;
  }

  read<T>(task: Task<C, T>): Promise<T> {
    return this.#ambient.current?.channel.read(task) ?? this.#options.pool.use(task);
  }

  /** Runs a task that says how the server is, even where the connections are all in use. */
  probe(task: Task<C, unknown>): Promise<void> {
    // It writes nothing: only who does finds out that there is no room.
    const full = this.#full;
    if (full !== null && performance.now() - full.at < FULL_MS) return Promise.reject(full.error);
    return this.#options.pool.probe(task);
  }

  async write<T>(task: Task<C, T>): Promise<T> {
    const ambient = this.#ambient.current;
    if (ambient !== null) return await ambient.channel.write(task);
    const { pool, scope, callers } = this.#options;
    scope.assertOutside();
    const caller = callers.current;
    const result = await pool.use(async (connection) => {
      assertWanted(caller);
      return await task(connection).catch((error: unknown) => {
        this.#noteFull(error);
        throw toUnknownOutcome(error);
      });
    });
    noteWritten(caller);
    return result;
  }

  /** See `gather` of Driver. */
  gather<Row>(write: (rows: readonly Row[]) => Promise<unknown>): (row: Row) => Promise<void> {
    const { scope, callers } = this.#options;
    const gathered = new GatheredWrites(write);
    return async (row) => {
      if (this.#ambient.current !== null) {
        await write([row]);
        return;
      }
      scope.assertOutside();
      await gathered.add(row, callers.current);
    };
  }

  execute<T>(task: Task<C, T>, sql: string): Promise<T> {
    return this.#ambient.current?.channel.execute(task, sql) ?? this.write(task);
  }

  async transact<T>(
    work: (channel: Channel<C>) => Promise<T>,
    { isolation, retries = 0, owner, isAmbient = false }: OwnedOptions = {},
  ): Promise<T> {
    const ambient = this.#ambient.current;
    if (ambient !== null) {
      assertIsolated(ambient.isolation, isolation);
      return await ambient.channel.transact(work);
    }
    const { pool, scope, transactions, syntax, callers } = this.#options;
    scope.assertOutside();
    const limit = new TransactionLimit(transactions, owner);
    const transact = (wanted: typeof work): Promise<T> =>
      pool.use((connection) =>
        this.#turns.run(
          retries,
          () => {
            const settings = { scope, syntax, isolation, limit: limit.renew() };
            return OpenTransaction.run(connection, settings, wanted);
          },
          transactions.timeoutMs,
        ),
      );
    const run: typeof work = isAmbient
      ? (channel) => this.#ambient.run({ channel, isolation }, () => work(channel))
      : work;
    return transactFor(callers.current, transact, run).catch((error: unknown) => {
      this.#noteFull(error);
      throw error;
    });
  }

  #noteFull(error: unknown): void {
    if (isFault(error, "full")) this.#full = { at: performance.now(), error };
  }

  afterCommit(listener: () => void): void {
    const ambient = this.#ambient.current;
    if (ambient === null) listener();
    else ambient.channel.afterCommit(listener);
  }
}

/** @throws TypeError for a transaction that would see more of the others than it asks for */
function assertIsolated(given: Isolation, asked: Isolation): void {
  if (asked === undefined || ISOLATIONS.indexOf(asked) <= ISOLATIONS.indexOf(given)) return;
  throw new TypeError(
    `Cannot begin a transaction with isolation "${asked}" in a request with a key: give its route { idempotent: { isolation: "${asked}" } }`,
  );
}

const CLOSE_MS = 30_000;
/** Who waits for a statement has its time, and a little for what surrounds it. */
const MARGIN_MS = 500;

/**
 * Opens the pool of a driver and what its sessions run on.
 *
 * @param create makes a connection; `limits` are what the server is told
 */
export function openChannel<C extends ServerConnection>(
  options: ServerDriverOptions & { readonly feed: WriteFeed },
  syntax: TransactionSyntax,
  create: (limits: ServerLimits) => C,
): {
  readonly channel: PoolChannel<C>;
  readonly connections: () => ConnectionCounts;
  readonly close: () => Promise<void>;
} {
  const { url: server, poolSize: size, log, statementTimeoutMs, transactionTimeoutMs } = options;
  const margin = Math.min(MARGIN_MS, statementTimeoutMs / 20);
  // The server's answer comes before ours: it keeps the connection.
  const statementMs = Math.ceil(statementTimeoutMs - 2 * margin);
  const limits = { statementMs, transactionMs: Math.ceil(transactionTimeoutMs) };
  const pool = new ConnectionPool({
    ...options,
    create: () => {
      const connection = create(limits);
      connection.writes = new WriteTracker(options.feed);
      return connection;
    },
    server,
    size,
    statementTimeoutMs: statementTimeoutMs - margin,
  });
  const transactions = { timeoutMs: transactionTimeoutMs, log };
  const channel = new PoolChannel({
    pool,
    scope: new TransactionScope(),
    transactions,
    syntax,
    callers: options.callers,
  });
  return { channel, connections: () => pool.counts, close: () => pool.close(CLOSE_MS) };
}
