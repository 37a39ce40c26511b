import type { Connection, Pool, QueryOptions, ResultSetHeader, RowDataPacket } from "mysql2/promise";
import { ConstraintError } from "../contract/database-error.ts";
import type { OnQuery } from "../contract/statements.ts";
import type { ServerPlace } from "../server/faults.ts";
import { explainReference, noteRefused, type ReferringKey } from "../server/references.ts";
import { toBindable } from "../server/parameters.ts";
import { toDuplicateKey, toMysqlFault } from "./faults.ts";
import type { UniqueKey } from "./unique-keys.ts";

export interface ConnectionOptions {
  readonly server: ServerPlace;
  readonly onQuery: OnQuery | null;
}

/** A client of mysql2: the pool, or one connection. Its errors are ours. */
export class MysqlConnection {
  readonly #client: Pool | Connection;
  readonly #options: ConnectionOptions;

  constructor(client: Pool | Connection, options: ConnectionOptions) {
    this.#client = client;
    this.#options = options;
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

  async #run(
    query: QueryOptions & { readonly sql: string },
    parameters: readonly unknown[],
    keys: readonly UniqueKey[] = [],
  ): Promise<unknown> {
    const { server, onQuery } = this.#options;
    const { sql } = query;
    const values = parameters.map((value) => toBindable(value, sql));
    const startedAt = onQuery === null ? 0 : performance.now();
    try {
      const [result] = await this.#client.query<RowDataPacket[]>({ ...query, values });
      return result;
    } catch (error) {
      const fault = toMysqlFault(error, server, { sql, hasValues: values.length > 0 });
      const violated = keys.find(({ name }) => name === toDuplicateKey(error));
      if (violated === undefined || !(fault instanceof ConstraintError)) {
        throw await explainReference(noteRefused(fault, { sql, parameters: values }), {
          query: async (text, given) => (await this.#client.query<RowDataPacket[]>(text, [...given]))[0],
          findKey: async (refused) => toKey(refused),
          mark: "`",
        });
      }
      const columns = violated.columns.map(({ name }) => name);
      throw new ConstraintError("unique", { table: fault.table, columns });
    } finally {
      onQuery?.(sql, performance.now() - startedAt);
    }
  }
}

/** The server's message has named all of it. */
function toKey({ table, columns, target, targetColumns }: ConstraintError): ReferringKey | null {
  return table === undefined || target === undefined ? null : { table, columns, target, targetColumns };
}
