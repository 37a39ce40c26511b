import type { Logger } from "pino";
import { DatabaseError, isFault } from "../contract/database-error.ts";
import type { ConnectionCounts } from "../contract/driver.ts";
import type { ServerConnection } from "./connection.ts";
import { type ServerPlace, unreachable } from "./faults.ts";
import { OpenWork } from "./open-work.ts";
import { ConnectionWatch } from "./watch.ts";

export interface PoolOptions<C extends ServerConnection> {
  /** Makes a connection that isn't connected yet. */
  readonly create: () => C;
  /** Connections, at most. */
  readonly size: number;
  readonly server: ServerPlace;
  /** How long a server may owe the answer to a statement, in ms. */
  readonly statementTimeoutMs: number;
  /** How long connecting may take, in ms. */
  readonly connectTimeoutMs: number;
  /** How long a connection is waited for, in ms. */
  readonly waitTimeoutMs: number;
  /** How long one that was used works, as far as anybody knows, in ms: asking costs a round trip. */
  readonly trustedMs: number;
  readonly log: Logger;
}

interface Waiter<C> {
  readonly resolve: (connection: C) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

const CHECK_MS = 2000;
const SLOW_MS = 500;
const MAX_AGE_MS = 30 * 60_000;
const END_MS = 5000;

/**
 * The connections to one server. Whoever waits for one gets it, or an error, in time. One that was idle for a
 * while is asked whether it still works before it is handed out, and what doesn't work is replaced.
 */
export class ConnectionPool<C extends ServerConnection> {
  readonly #options: PoolOptions<C>;
  readonly #work = new OpenWork();
  readonly #watch: ConnectionWatch<C>;
  /** All of them, also those that are being connected or checked. */
  readonly #all = new Set<C>();
  /** The one that was used last comes last, and is taken first. */
  #idle: C[] = [];
  readonly #waiting = new Set<Waiter<C>>();
  /** When one was last found to be lost: whatever happened to it may have happened to those that are idle. */
  #lostAt = 0;
  /** How many are being connected or checked. */
  #coming = 0;
  /** Whether the server hasn't answered yet to who last connected. */
  #isSilent = false;
  #closed: Promise<void> | null = null;

  constructor(options: PoolOptions<C>) {
    this.#options = options;
    const { statementTimeoutMs: timeoutMs, server, log } = options;
    const open = (): Promise<C> => this.#connect(options.create());
    this.#watch = new ConnectionWatch({ connections: this.#all, open, timeoutMs, server, log });
  }

  /**
   * Runs `work` on a connection that nobody else has meanwhile.
   *
   * @throws DatabaseError "busy" or "unavailable" when none is to be had
   */
  use<T>(work: (connection: C) => Promise<T>): Promise<T> {
    return this.#work.run(async () => {
      const connection = this.#takeIdle() ?? (await this.#wait());
      this.#watch.start();
      try {
        return await work(connection);
      } finally {
        this.#giveBack(connection);
      }
    });
  }

  /**
   * Runs `work` on a connection, beside the others where all of them are in use: those being busy doesn't say that the
   * server is away.
   */
  async probe(work: (connection: C) => Promise<unknown>): Promise<void> {
    if (this.#idle.length > 0 || this.#all.size < this.#options.size) {
      await this.use(work);
      return;
    }
    try {
      const connection = await this.#connect(this.#options.create());
      this.#all.add(connection); // so that what it waits for is watched
      await work(connection).finally(() => this.#end(connection));
    } catch (error) {
      if (!isFault(error, "connections")) throw error; // it has given all to those that are busy
    }
  }

  /** Lets what is under way finish, for at most `timeoutMs`, and closes every connection. */
  close(timeoutMs: number): Promise<void> {
    this.#closed ??= this.#work.close(timeoutMs).then(async () => {
      await Promise.all([...this.#all].map((connection) => this.#end(connection)));
    });
    return this.#closed;
  }

  /** How many there are, and how they are. */
  get counts(): ConnectionCounts {
    const idle = this.#idle.length;
    return {
      busy: this.#all.size - idle - this.#coming,
      idle,
      coming: this.#coming,
      most: this.#options.size,
      waiting: this.#waiting.size,
    };
  }

  #takeIdle(): C | null {
    const last = this.#idle.at(-1);
    if (last === undefined || !this.#isTrusted(last)) return null;
    this.#idle.pop();
    last.idleSince = 0;
    return last;
  }

  #isTrusted({ loss, idleSince }: C): boolean {
    if (loss !== null || idleSince < this.#lostAt) return false;
    return performance.now() - idleSince <= this.#options.trustedMs;
  }

  #wait(): Promise<C> {
    const { promise, resolve, reject } = Promise.withResolvers<C>();
    const timer = setTimeout(() => {
      this.#waiting.delete(waiter);
      reject(this.#toBusy());
    }, this.#options.waitTimeoutMs);
    const waiter: Waiter<C> = { resolve, reject, timer };
    this.#waiting.add(waiter);
    this.#provide();
    return promise;
  }

  #toBusy(): DatabaseError {
    const { server, size, waitTimeoutMs } = this.#options;
    const inUse = this.#all.size - this.#idle.length - this.#coming;
    if (inUse === 0) return unreachable(server, "it doesn't answer");
    return new DatabaseError(
      "busy",
      `Cannot query: none of the ${size} connections to the database became free within ${waitTimeoutMs / 1000} s; make transactions shorter, or "database.pool_size" larger`,
    );
  }

  /** Sees to it that as many connections are coming as are waited for. */
  #provide(): void {
    // One at a time finds out as soon when a silent server is back, and leaves it less to clear away.
    const most = this.#isSilent ? 1 : this.#waiting.size;
    while (this.#coming < Math.min(most, this.#waiting.size)) {
      const idle = this.#idle.pop();
      if (idle !== undefined) {
        if (idle.loss === null) void this.#check(idle);
        else this.#all.delete(idle);
      } else if (this.#all.size < this.#options.size) void this.#add();
      else return;
    }
  }

  async #check(connection: C): Promise<void> {
    const gone = unreachable(this.#options.server, "an idle connection doesn't answer");
    const timer = setTimeout(() => connection.lose(gone), CHECK_MS);
    this.#coming += 1;
    try {
      if (!this.#isTrusted(connection)) await connection.ping();
    } catch {
      connection.lose(gone);
      // Each check takes its time: those that were idle beside it are replaced unasked.
      for (const other of this.#idle.splice(0)) this.#drop(other, gone);
    } finally {
      clearTimeout(timer);
      this.#coming -= 1;
      this.#hand(connection);
    }
  }

  async #add(): Promise<void> {
    const connection = this.#options.create();
    this.#all.add(connection);
    this.#coming += 1;
    const leave = (): void => {
      this.#all.delete(connection);
      this.#coming -= 1;
    };
    let isSlow = false;
    // Its packets may be lost: the next may come through before its time is over.
    const timer = setTimeout(() => {
      isSlow = true;
      this.#isSilent = true;
      leave();
      this.#provide();
    }, SLOW_MS);
    try {
      await this.#connect(connection);
      this.#isSilent = false;
    } catch (error) {
      if (!isSlow) leave();
      // Where the server has no more to give, those in use come back.
      if (isFault(error, "connections") && this.#all.size > this.#coming) return;
      // Others have come after it, whose time isn't over.
      if (!isSlow || !isFault(error, "unavailable")) this.#refuse(error);
      this.#provide();
      return;
    } finally {
      clearTimeout(timer);
    }
    if (!isSlow) this.#coming -= 1;
    this.#all.add(connection);
    if (this.#all.size > this.#options.size) void this.#end(connection);
    else this.#hand(connection);
    this.#provide();
  }

  #refuse(error: unknown): void {
    const [waiter] = this.#waiting;
    if (waiter !== undefined) this.#settle(waiter).reject(error);
  }

  async #connect(connection: C): Promise<C> {
    const { server, connectTimeoutMs } = this.#options;
    const late = unreachable(server, "it doesn't answer");
    const timer = setTimeout(() => connection.lose(late), connectTimeoutMs);
    try {
      await connection.connect();
      return connection;
    } catch (error) {
      connection.lose(late);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #giveBack(connection: C): void {
    connection.idleSince = performance.now();
    if (connection.loss === null && (connection.isChanged || connection.ageMs > MAX_AGE_MS)) {
      void this.#end(connection);
      this.#provide();
      return;
    }
    this.#hand(connection);
  }

  /** Gives a connection to whoever has waited longest. */
  #hand(connection: C): void {
    if (connection.loss !== null) {
      this.#lostAt = performance.now();
      this.#all.delete(connection);
      this.#provide();
      return;
    }
    const [waiter] = this.#waiting;
    if (waiter === undefined) {
      if (this.#closed === null) this.#idle.push(connection);
      else void this.#end(connection);
      return;
    }
    connection.idleSince = 0;
    this.#settle(waiter).resolve(connection);
  }

  #settle(waiter: Waiter<C>): Waiter<C> {
    this.#waiting.delete(waiter);
    clearTimeout(waiter.timer);
    return waiter;
  }

  #drop(connection: C, reason: DatabaseError): void {
    this.#all.delete(connection);
    connection.lose(reason);
  }

  async #end(connection: C): Promise<void> {
    this.#all.delete(connection);
    const timer = setTimeout(
      () => connection.lose(unreachable(this.#options.server, "it was closed")),
      END_MS,
    );
    await connection.end().catch(() => {});
    clearTimeout(timer);
  }
}
