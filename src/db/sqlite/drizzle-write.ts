import { is, SQL, type Subquery } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { SqliteDialect } from "./dialect.ts";
import type { SqliteQuery } from "./prepared-query.ts";
import type { SqliteSession } from "./session.ts";
import type { Fields } from "./table-plan.ts";

/** The table that is written into, and what runs the statements. */
export interface WriteTarget {
  readonly table: SQLiteTable;
  readonly session: SqliteSession;
  readonly dialect: SqliteDialect;
}

/** What one of drizzle's builders has been told, as far as it matters here. */
export interface WriteConfig {
  returning?: unknown;
  readonly withList?: Subquery[];
}

/** What one of an update or a delete has been told. */
export interface ChangeConfig extends WriteConfig {
  readonly where?: SQL;
  readonly orderBy?: unknown;
  readonly limit?: unknown;
}

/** A drizzle builder of a write, with what its types hide. Check it when the version is raised. */
export interface DrizzleWrite<Config extends WriteConfig> {
  readonly config: Config;
  getSQL(): SQL;
  _prepare(isOneTimeQuery?: boolean): SqliteQuery;
  returning(fields?: Fields): unknown;
  execute(): Promise<unknown>;
}

/** Runs a write, which drizzle does in more turns of the microtasks. */
export function executeWrite(write: DrizzleWrite<WriteConfig>): Promise<unknown> {
  try {
    // oxlint-disable-next-line no-underscore-dangle -- drizzle's name
    const query = write._prepare();
    return write.config.returning === undefined ? query.run() : query.all();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The parameters of a condition are added to those of what stands before it. @returns its text; null for drizzle's own */
export function appendWhere(
  where: SQL | undefined,
  dialect: SqliteDialect,
  params: unknown[],
): string | null {
  if (where === undefined) return "";
  if (!is(where, SQL)) return null;
  const condition = dialect.sqlToQuery(where);
  params.push(...condition.params);
  return ` where ${condition.sql}`;
}
