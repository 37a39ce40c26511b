import type postgres from "postgres";
import type { WriteResult } from "../contract/database.ts";
import type { OnQuery } from "../contract/statements.ts";
import type { ServerPlace } from "../server/faults.ts";
import { toBindable } from "../server/parameters.ts";
import { noteRefused } from "../server/references.ts";
import { toPostgresFault } from "./faults.ts";
import { explainFault } from "./references.ts";

export interface ConnectionOptions {
  readonly server: ServerPlace;
  /** Whether statements are prepared on the connection, and kept. */
  readonly prepare: boolean;
  readonly onQuery: OnQuery | null;
}

/** A client of postgres.js: the pool's, or the one of a transaction. Its errors are ours. */
export class PostgresConnection {
  readonly #client: postgres.Sql | postgres.TransactionSql;
  readonly #options: ConnectionOptions;
  readonly #isPool: boolean;

  constructor(client: postgres.Sql | postgres.TransactionSql, options: ConnectionOptions) {
    this.#client = client;
    this.#isPool = "begin" in client;
    this.#options = options;
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

  async #run<Sent, T>(
    sql: string,
    parameters: readonly unknown[],
    send: (query: postgres.PendingQuery<postgres.Row[]>) => PromiseLike<Sent>,
    toResult: (sent: Sent) => T,
  ): Promise<T> {
    const { server, prepare, onQuery } = this.#options;
    const values = parameters.map((value) => toBindable(value, sql));
    const startedAt = onQuery === null ? 0 : performance.now();
    try {
      // What drizzle hands over is encoded already; the types of postgres.js know no such values.
      const encoded = values as postgres.ParameterOrJSON<never>[];
      const options = { prepare, simple: false };
      return toResult(await send(this.#client.unsafe(sql, encoded, options)));
    } catch (error) {
      const fault = noteRefused(toPostgresFault(error, server, sql), { sql, parameters: values });
      // A transaction takes no queries any more: they are run behind it.
      throw this.#isPool ? await explainFault(fault, this.#client) : fault;
    } finally {
      onQuery?.(sql, performance.now() - startedAt);
    }
  }
}

function asIs<T>(value: T): T {
  return value;
}
