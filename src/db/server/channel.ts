import { setTimeout } from "node:timers/promises";
import { isFault } from "../contract/database-error.ts";
import type { TransactionOptions } from "../contract/database.ts";
import { isRead } from "../contract/statements.ts";
import type { TransactionScope } from "./transaction-state.ts";

const FIRST_PAUSE_MS = 10;
const MAX_PAUSE_MS = 1000;

/** Work on a connection: one statement. */
export type Task<Connection, T> = (connection: Connection) => Promise<T>;

/** Where the statements of a session run: on the pool, or in one transaction. */
export interface Channel<Connection> {
  /** Runs a task that only reads. */
  read<T>(task: Task<Connection, T>): Promise<T>;
  /** Runs a task that may write. */
  write<T>(task: Task<Connection, T>): Promise<T>;
  /** Runs `work` in a transaction; inside of one, in a savepoint. */
  transact<T>(work: (channel: Channel<Connection>) => Promise<T>, options?: TransactionOptions): Promise<T>;
}

/** Runs a task as its statement wants it. */
export function runOn<Connection, T>(
  channel: Channel<Connection>,
  sql: string,
  task: Task<Connection, T>,
): Promise<T> {
  return isRead(sql) ? channel.read(task) : channel.write(task);
}

export interface PoolChannelOptions<Client, Connection> {
  readonly pool: { use<T>(work: (client: Client) => Promise<T>): Promise<T> };
  readonly scope: TransactionScope;
  readonly connect: (client: Client) => Connection;
  /** Runs `work` in a transaction on a connection of the client. */
  readonly begin: <T>(
    client: Client,
    isolationLevel: TransactionOptions["isolationLevel"],
    work: (transaction: Channel<Connection>) => Promise<T>,
  ) => Promise<T>;
}

/** The open database: each statement and each transaction takes a connection of the pool. */
export class PoolChannel<Client, Connection> implements Channel<Connection> {
  readonly #options: PoolChannelOptions<Client, Connection>;

  constructor(options: PoolChannelOptions<Client, Connection>) {
    this.#options = options;
  }

  read<T>(task: Task<Connection, T>): Promise<T> {
    const { pool, connect } = this.#options;
    return pool.use((client) => task(connect(client)));
  }

  async write<T>(task: Task<Connection, T>): Promise<T> {
    this.#options.scope.assertOutside();
    return await this.read(task);
  }

  transact<T>(
    work: (channel: Channel<Connection>) => Promise<T>,
    { isolationLevel, retries = 0 }: TransactionOptions = {},
  ): Promise<T> {
    const { pool, scope, begin } = this.#options;
    return withRetries(retries, () => {
      scope.assertOutside();
      return pool.use((client) => begin(client, isolationLevel, work));
    });
  }
}

/**
 * Runs a transaction again, up to `retries` times, when the database gives it up for another one. The pauses grow
 * and are random, so that those which collided don't collide again.
 */
async function withRetries<T>(retries: number, run: () => Promise<T>): Promise<T> {
  for (
    let left = retries, pauseMs = FIRST_PAUSE_MS;
    ;
    left--, pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
  ) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after another
      return await run();
    } catch (error) {
      if (left <= 0 || !isFault(error, "serialization")) throw error;
    }
    // oxlint-disable-next-line no-await-in-loop
    await setTimeout(pauseMs * Math.random());
  }
}
