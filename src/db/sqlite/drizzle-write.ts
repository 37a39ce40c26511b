import { is, SQL, type Subquery } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { SqliteDialect } from "./dialect.ts";
import type { SqliteQuery } from "./prepared-query.ts";
import type { SqliteSession } from "./session.ts";
import type { Fields, Returning, TablePlan } from "./table-plan.ts";

/** The table that is written into, and what runs the statements. */
export interface WriteTarget {
  readonly table: SQLiteTable;
  readonly session: SqliteSession;
  readonly dialect: SqliteDialect;
}

/** What one of drizzle's builders has been told, as far as it matters here. */
export interface WriteConfig {
  readonly table: SQLiteTable;
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
  readonly session: SqliteSession;
  readonly dialect: SqliteDialect;
  getSQL(): SQL;
  _prepare(isOneTimeQuery?: boolean): SqliteQuery;
  returning(fields?: Fields): unknown;
  execute(): Promise<unknown>;
}

// oxlint-disable-next-line typescript/no-explicit-any -- what TypeScript asks of a class that is extended here
type Builder<Write> = new (...parts: any[]) => Write;

/** Has one of drizzle's builders make its statement of what is kept of the table, where `prepareKept` can. */
export function withKeptTexts<Config extends WriteConfig>(DrizzleBuilder: Builder<DrizzleWrite<Config>>) {
  abstract class KeptWrite extends DrizzleBuilder {
    readonly plan: TablePlan = this.dialect.planOf(this.config.table);
    /** Null where it isn't kept. */
    #returning: Returning | null = this.plan.nothing;

    /** Returns null for what is left to drizzle. */
    abstract prepareKept(returning: Returning): SqliteQuery | null;

    override returning(fields?: Fields): unknown {
      this.#returning = fields === undefined ? this.plan.everything : this.plan.toReturning(fields);
      if (this.#returning === null) return super.returning(fields);
      this.config.returning = this.#returning.fields;
      return this;
    }

    override _prepare(isOneTimeQuery = true): SqliteQuery {
      const kept = this.#returning === null ? null : this.prepareKept(this.#returning);
      // oxlint-disable-next-line no-underscore-dangle -- drizzle's name
      return kept ?? super._prepare(isOneTimeQuery);
    }

    /** Runs it, which drizzle does in more turns of the microtasks. */
    override execute(): Promise<unknown> {
      try {
        // oxlint-disable-next-line no-underscore-dangle
        const query = this._prepare();
        return this.config.returning === undefined ? query.run() : query.all();
      } catch (error) {
        return Promise.reject(error);
      }
    }
  }
  return KeptWrite;
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
