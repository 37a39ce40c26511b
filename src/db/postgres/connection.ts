import { connect, type Socket } from "node:net";
import postgres from "postgres";
import type { WriteResult } from "../contract/database.ts";
import type { OnQuery } from "../contract/statements.ts";
import { ServerConnection, type ServerLimits } from "../server/connection.ts";
import { type ServerPlace, unreachable } from "../server/faults.ts";
import { toBindable } from "../server/parameters.ts";
import { noteRefused } from "../server/references.ts";
import { isRefusal } from "../server/transaction.ts";
import { toPostgresFault } from "./faults.ts";
import { explainFault } from "./references.ts";

export interface ConnectionOptions {
  readonly settings: postgres.Options<never>;
  readonly server: ServerPlace;
  /** Whether statements are prepared on the connection, and kept. */
  readonly prepare: boolean;
  readonly onQuery: OnQuery | null;
  readonly limits: ServerLimits;
}

const END_SECONDS = 5;

/**
 * One connection to PostgreSQL: a client of postgres.js that has no other, and is thrown away with it. A pool of
 * postgres.js 3.4.9 keeps lost connections in its way, and ends the process when it loses one inside a transaction.
 *
 * @see https://github.com/porsager/postgres/issues/1066
 * @see https://github.com/porsager/postgres/issues/1208
 */
export class PostgresConnection extends ServerConnection {
  readonly #client: postgres.Sql;
  readonly #options: ConnectionOptions;
  #socket: Socket | null = null;

  constructor(options: ConnectionOptions) {
    super();
    this.#options = options;
    this.#client = postgres({
      ...options.settings,
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      // Our own, to be able to close it.
      ...({ socket: () => this.#open() } as object),
      onclose: () => this.lose(unreachable(options.server, "connection lost")),
    });
  }

  async connect(): Promise<void> {
    const sql = "select pg_backend_pid() as id";
    const query = this.#client.unsafe(sql);
    const [row] = await this.call(() => query, { sql });
    // A pooler tells another number than its servers'.
    const isDirect = Number(row?.["id"]) === (await query).state.pid;
    if (!isDirect || !this.#options.prepare) return;
    this.serverId = Number(row?.["id"]);
    const { statementMs, transactionMs } = this.#options.limits;
    await this.control(
      `set statement_timeout = ${statementMs}; set idle_in_transaction_session_timeout = ${transactionMs}`,
    );
  }

  async ping(): Promise<void> {
    await this.all("select 1", []);
  }

  /** Returns the rows as lists of values. */
  values(sql: string, parameters: readonly unknown[]): Promise<unknown[][]> {
    return this.#run(sql, parameters, (query) => query.values(), asIs);
  }

  /** Returns the rows by column name. */
  all(sql: string, parameters: readonly unknown[]): Promise<postgres.Row[]> {
    return this.#run(sql, parameters, asIs, (rows) => [...rows]);
  }

  /** Writes, and tells how many rows it touched. */
  write(sql: string, parameters: readonly unknown[]): Promise<WriteResult> {
    return this.#run(sql, parameters, asIs, ({ count }) => ({ rowsAffected: count }));
  }

  async control(sql: string): Promise<void> {
    await this.call(() => this.#client.unsafe(sql), { sql });
  }

  explain(error: unknown): Promise<unknown> {
    return explainFault(error, (sql, parameters) => this.all(sql, parameters));
  }

  async findIdle(serverIds: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const rows = await this.values(
      `select pid, extract(epoch from clock_timestamp() - state_change)::float8 from pg_stat_activity where pid in (${serverIds.join(", ")}) and state like 'idle%'`,
      [],
    );
    return new Map(rows.map(([id, seconds]) => [Number(id), Number(seconds)]));
  }

  async terminate(serverId: number): Promise<void> {
    await this.all("select pg_terminate_backend($1)", [serverId]);
  }

  end(): Promise<void> {
    return this.#client.end({ timeout: END_SECONDS });
  }

  protected destroy(): void {
    // Which rejects what postgres.js still waits for.
    void this.#client.end({ timeout: 0 }).catch(() => {});
    this.#socket?.destroy();
  }

  protected toFault(error: unknown, sql: string): unknown {
    return toPostgresFault(error, this.#options.server, sql);
  }

  async #open(): Promise<Socket> {
    const { host, port } = this.#options.server;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect({ host, port });
    this.#socket = socket;
    socket.once("connect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(unreachable(this.#options.server, "connection closed")));
    await promise;
    // What postgres.js takes the name for the certificate from.
    return Object.assign(socket, { host });
  }

  async #run<Sent, T>(
    sql: string,
    parameters: readonly unknown[],
    send: (query: postgres.PendingQuery<postgres.Row[]>) => PromiseLike<Sent>,
    toResult: (sent: Sent) => T,
  ): Promise<T> {
    const { prepare, onQuery } = this.#options;
    const values = parameters.map((value) => toBindable(value, sql));
    const startedAt = onQuery === null ? 0 : performance.now();
    try {
      // What drizzle hands over is encoded already; the types of postgres.js know no such values.
      const encoded = values as postgres.ParameterOrJSON<never>[];
      const options = { prepare, simple: false };
      return toResult(await this.call(() => send(this.#client.unsafe(sql, encoded, options)), { sql }));
    } catch (error) {
      const fault = noteRefused(error, { sql, parameters: values });
      // A transaction takes no queries any more: they are run behind it.
      throw this.isInTransaction ? fault : await this.explain(fault);
    } finally {
      onQuery?.(sql, performance.now() - startedAt);
    }
  }
}

/** How PostgreSQL's transactions begin: a statement that fails undoes all, or the savepoint that it is in. */
export const POSTGRES_TRANSACTIONS = {
  begin: (isolation: string | undefined) => [
    isolation === undefined ? "begin" : `begin isolation level ${isolation}`,
  ],
  undoesBy: (error: unknown) => (isRefusal(error) ? "savepoint" : null),
  isCommittedBy: () => false,
} as const;

function asIs<T>(value: T): T {
  return value;
}
