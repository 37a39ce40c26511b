import { TransactionRollbackError, type WithSubquery } from "drizzle-orm";
import {
  PgDatabase,
  type PgDialect,
  type PgInsertBuilder,
  type PgQueryResultHKT,
  type PgTable,
  type PgTransactionConfig,
  type PgUpdateBuilder,
} from "drizzle-orm/pg-core";
import type { TransactionOptions } from "../contract/database.ts";
import { guardInsert, guardUpdate } from "../drizzle/guarded-writes.ts";
import type { RelationalSchema } from "../drizzle/session-parts.ts";
import { noteTransaction } from "../transactions/commits.ts";
import type { PostgresSession } from "./session.ts";

/** Drizzle's queries on PostgreSQL: what plugins are typed against. */
export class PostgresDatabase extends PgDatabase<PgQueryResultHKT> {
  readonly #dialect: PgDialect;
  readonly #session: PostgresSession;
  readonly #schema: RelationalSchema;

  constructor(dialect: PgDialect, session: PostgresSession, schema: RelationalSchema) {
    // Drizzle types only a schema that is known when this is compiled.
    super(dialect, session, schema as never);
    this.#dialect = dialect;
    this.#session = session;
    this.#schema = schema;
  }

  override insert<Of extends PgTable>(table: Of): PgInsertBuilder<Of, PgQueryResultHKT> {
    return guardInsert(super.insert(table));
  }

  override update<Of extends PgTable>(table: Of): PgUpdateBuilder<Of, PgQueryResultHKT> {
    return guardUpdate(super.update(table));
  }

  override with(...queries: WithSubquery[]): ReturnType<PgDatabase<PgQueryResultHKT>["with"]> {
    const made = super.with(...queries);
    return {
      ...made,
      insert: (table) => guardInsert(made.insert(table)),
      update: (table) => guardUpdate(made.update(table)),
    };
  }

  override transaction<T>(
    // oxlint-disable-next-line typescript/no-explicit-any -- drizzle's own signature; Database is what is typed
    work: (tx: any) => Promise<T>,
    options?: TransactionOptions & PgTransactionConfig,
  ): Promise<T> {
    return this.#session.transact(
      (session) =>
        work(noteTransaction(new PostgresTransaction(this.#dialect, session, this.#schema), session.channel)),
      options,
    );
  }
}

export class PostgresTransaction extends PostgresDatabase {
  rollback(): never {
    throw new TransactionRollbackError();
  }
}
