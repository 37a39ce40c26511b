import type { TransactionOptions } from "../contract/database.ts";
import { isRead } from "../contract/statements.ts";
import { withRetries } from "./retries.ts";
import type { TransactionScope } from "./transaction-state.ts";

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

/** The pool of a driver, and what is done with a client of it. */
export interface Clients<Client, Connection> {
  readonly pool: { use<T>(work: (client: Client) => Promise<T>): Promise<T> };
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
  readonly #clients: Clients<Client, Connection>;
  readonly #scope: TransactionScope;

  constructor(clients: Clients<Client, Connection>, scope: TransactionScope) {
    this.#clients = clients;
    this.#scope = scope;
  }

  read<T>(task: Task<Connection, T>): Promise<T> {
    const { pool, connect } = this.#clients;
    return pool.use((client) => task(connect(client)));
  }

  async write<T>(task: Task<Connection, T>): Promise<T> {
    this.#scope.assertOutside();
    return this.read(task);
  }

  transact<T>(
    work: (channel: Channel<Connection>) => Promise<T>,
    { isolationLevel, retries = 0 }: TransactionOptions = {},
  ): Promise<T> {
    const { pool, begin } = this.#clients;
    return withRetries(retries, () => {
      this.#scope.assertOutside();
      return pool.use((client) => begin(client, isolationLevel, work));
    });
  }
}
