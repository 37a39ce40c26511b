import { type Connection, createConnection, type QueryError, type QueryOptions } from "mysql2";
import type { ResultSetHeader, RowDataPacket } from "mysql2/promise";
import { ConstraintError, DatabaseError, isFault } from "../contract/database-error.ts";
import { isCommittedByMysql, type OnQuery } from "../contract/statements.ts";
import { ServerConnection, type ServerLimits } from "../server/connection.ts";
import { type ServerPlace, unreachable } from "../server/faults.ts";
import { explainReference, noteRefused, type ReferringKey } from "../server/references.ts";
import { toBindable } from "../server/parameters.ts";
import { toDuplicateKey, toMysqlFault } from "./faults.ts";
import { SET_UP } from "./settings.ts";
import type { UniqueKey } from "./unique-keys.ts";

export interface MysqlConnectionOptions {
  readonly settings: Parameters<typeof createConnection>[0] & object;
  readonly server: ServerPlace;
  readonly onQuery: OnQuery | null;
  /** Null for a connection whose statements may take as long as they do. */
  readonly limits: ServerLimits | null;
}

/** One connection to MySQL or MariaDB. Its errors are ours. */
export class MysqlConnection extends ServerConnection {
  readonly #client: Connection;
  readonly #options: MysqlConnectionOptions;

  constructor(options: MysqlConnectionOptions) {
    super();
    this.#options = options;
    this.#client = createConnection(options.settings);
    // Without a listener, losing the connection between two statements would end the process.
    this.#client.on("error", (error) => this.#loseBy(error));
    this.#client.on("end", () => this.lose(this.#lost()));
  }

  async connect(): Promise<void> {
    const [row] = await this.all("select version() as version, connection_id() as id");
    await this.control(SET_UP);
    const { limits } = this.#options;
    if (limits === null) return;
    // A proxy tells another number than its servers'.
    if (row?.["id"] === this.#client.threadId) this.serverId = this.#client.threadId;
    await this.control(toLimits(limits, /mariadb/i.test(String(row?.["version"]))));
  }

  async ping(): Promise<void> {
    await this.all("select 1");
  }

  /** Returns the rows as lists of values. */
  async values(sql: string, parameters: readonly unknown[]): Promise<unknown[][]> {
    return (await this.#run({ sql, rowsAsArray: true }, parameters)) as unknown[][];
  }

  /** Returns the rows by column name. */
  async all(sql: string, parameters: readonly unknown[] = []): Promise<RowDataPacket[]> {
    const result = await this.#run({ sql }, parameters);
    // A statement without rows, such as a write, has a header.
    return Array.isArray(result) ? (result as RowDataPacket[]) : [];
  }

  /**
   * Writes, and tells what MySQL says of it.
   *
   * @param keys the table's unique keys: an error names the columns of the one that was violated
   */
  async write(
    sql: string,
    parameters: readonly unknown[],
    keys: readonly UniqueKey[] = [],
  ): Promise<ResultSetHeader> {
    return (await this.#run({ sql }, parameters, keys)) as ResultSetHeader;
  }

  async control(sql: string): Promise<void> {
    await this.all(sql);
  }

  explain(error: unknown): Promise<unknown> {
    return Promise.resolve(error); // it was, where it came from
  }

  async findIdle(serverIds: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const rows = await this.values(
      `select id, time from information_schema.processlist where id in (${serverIds.join(", ")}) and command = 'Sleep'`,
      [],
    );
    return new Map(rows.map(([id, seconds]) => [Number(id), Number(seconds)]));
  }

  async terminate(serverId: number): Promise<void> {
    await this.control(`kill ${serverId}`);
  }

  end(): Promise<void> {
    if (this.loss !== null) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#client.end(() => resolve());
    return promise;
  }

  protected destroy(): void {
    this.#client.destroy(); // which only says goodbye
    const { stream } = this.#client as Connection & { readonly stream: { destroy(): void } };
    stream.destroy();
  }

  protected toFault(error: unknown, sql: string, hasValues: boolean): unknown {
    return toMysqlFault(error, this.#options.server, { sql, hasValues });
  }

  #loseBy(error: unknown): void {
    const fault = toMysqlFault(error, this.#options.server);
    this.lose(fault instanceof DatabaseError ? fault : this.#lost());
  }

  #lost(): DatabaseError {
    return unreachable(this.#options.server, "connection lost");
  }

  async #run(
    query: QueryOptions & { readonly sql: string },
    parameters: readonly unknown[],
    keys: readonly UniqueKey[] = [],
  ): Promise<unknown> {
    const { onQuery } = this.#options;
    const { sql } = query;
    const values = parameters.map((value) => toBindable(value, sql));
    const startedAt = onQuery === null ? 0 : performance.now();
    let violated: string | null = null;
    const send = (): Promise<unknown> =>
      this.#send({ ...query, values }, (error) => (violated = toDuplicateKey(error)));
    try {
      return await this.call(send, { sql, hasValues: values.length > 0 });
    } catch (fault) {
      const key = keys.find(({ name }) => name === violated);
      if (key === undefined || !(fault instanceof ConstraintError)) {
        throw await explainReference(noteRefused(fault, { sql, parameters: values }), {
          query: (text, given) => this.all(text, given),
          findKey: async (refused) => toKey(refused),
          mark: "`",
        });
      }
      const columns = key.columns.map(({ name }) => name);
      throw new ConstraintError("unique", { table: fault.table, columns });
    } finally {
      onQuery?.(sql, performance.now() - startedAt);
    }
  }

  #send(query: QueryOptions, onError: (error: QueryError) => void): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#client.query(query, (error, result) => {
      if (error === null) {
        resolve(result);
        return;
      }
      onError(error);
      reject(error);
    });
    return promise;
  }
}

/** The server's message has named all of it. */
function toKey({ table, columns, target, targetColumns }: ConstraintError): ReferringKey | null {
  return table === undefined || target === undefined ? null : { table, columns, target, targetColumns };
}

/** MySQL can end a select that takes too long, MariaDB any statement; a wait for a lock ends on both. */
function toLimits({ statementMs, transactionMs }: ServerLimits, isMariaDb: boolean): string {
  const seconds = toSeconds(statementMs);
  const locks = `innodb_lock_wait_timeout = ${seconds}, lock_wait_timeout = ${seconds}`;
  return isMariaDb
    ? `set ${locks}, max_statement_time = ${statementMs / 1000}, idle_transaction_timeout = ${toSeconds(transactionMs)}`
    : `set ${locks}, max_execution_time = ${statementMs}`;
}

/** What takes whole seconds takes 0 for "for ever", or not at all. */
function toSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

/** How MySQL's transactions begin: a deadlock undoes all of one, any other error its statement alone. */
export const MYSQL_TRANSACTIONS = {
  begin: (isolation: string | undefined) => [
    ...(isolation === undefined ? [] : [`set transaction isolation level ${isolation}`]),
    "start transaction",
  ],
  undoesBy: (error: unknown) => (isFault(error, "serialization") ? "all" : null),
  isCommittedBy: isCommittedByMysql,
} as const;
