import { type SQL, type Subquery, type TablesRelationalConfig, TransactionRollbackError } from "drizzle-orm";
import {
  BaseSQLiteDatabase,
  type SelectedFields,
  SQLiteSelectBuilder,
  type SQLiteTable,
  type SQLiteView,
} from "drizzle-orm/sqlite-core";
import type { SQLiteViewBase } from "drizzle-orm/sqlite-core/view-base";
import type { SchemaTables, TransactionOptions, WriteResult } from "../contract/database.ts";
import { guardInsert, guardUpdate } from "../drizzle/guarded-writes.ts";
import type { RelationalSchema } from "../drizzle/session-parts.ts";
import { noteTransaction } from "../transactions/commits.ts";
import { Delete } from "./delete.ts";
import type { SqliteDialect } from "./dialect.ts";
import type { WriteTarget } from "./drizzle-write.ts";
import { InsertBuilder } from "./insert.ts";
import type { SqliteSession } from "./session.ts";
import { UpdateBuilder } from "./update.ts";

/** Drizzle's queries on SQLite, whose builders do what PostgreSQL's do: plugins are typed against those. */
export class SqliteDatabase {
  readonly #dialect: SqliteDialect;
  readonly #session: SqliteSession;
  readonly #schema: RelationalSchema;
  readonly #drizzle: BaseSQLiteDatabase<"async", WriteResult, SchemaTables, TablesRelationalConfig>;
  readonly query: unknown;

  constructor(dialect: SqliteDialect, session: SqliteSession, schema: RelationalSchema) {
    this.#dialect = dialect;
    this.#session = session;
    this.#schema = schema;
    this.#drizzle = new BaseSQLiteDatabase("async", dialect, session, schema);
    this.query = this.#drizzle.query;
  }

  get $with(): unknown {
    return this.#drizzle.$with;
  }

  select(fields?: SelectedFields): SelectBuilder {
    return this.#select({ fields });
  }

  selectDistinct(fields?: SelectedFields): SelectBuilder {
    return this.#select({ fields, distinct: true });
  }

  insert(table: SQLiteTable): unknown {
    return new InsertBuilder(this.#toTarget(table));
  }

  update(table: SQLiteTable): unknown {
    return new UpdateBuilder(this.#toTarget(table));
  }

  delete(table: SQLiteTable): unknown {
    return new Delete(this.#toTarget(table));
  }

  with(...withList: Parameters<BaseSQLiteDatabase<"async", WriteResult>["with"]>): unknown {
    const queries = this.#drizzle.with(...withList);
    return {
      ...queries,
      insert: (table: SQLiteTable) => guardInsert(queries.insert(table)),
      update: (table: SQLiteTable) => guardUpdate(queries.update(table)),
      select: (fields?: SelectedFields) => this.#select({ fields, withList }),
      selectDistinct: (fields?: SelectedFields) => this.#select({ fields, withList, distinct: true }),
    };
  }

  $count(source: SQLiteTable | SQLiteView | SQL, filters?: SQL): Promise<number> {
    return this.#drizzle.$count(source, filters);
  }

  execute(query: SQL): Promise<unknown[]> {
    return this.#session.all(query);
  }

  transaction<T>(work: (tx: SqliteTransaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return this.#session.transact(
      (session) =>
        work(noteTransaction(new SqliteTransaction(this.#dialect, session, this.#schema), session.channel)),
      options,
    );
  }

  #toTarget(table: SQLiteTable): WriteTarget {
    return { table, session: this.#session, dialect: this.#dialect };
  }

  #select(config: SelectConfig): SelectBuilder {
    return new SelectBuilder({ ...config, session: this.#session, dialect: this.#dialect });
  }
}

export class SqliteTransaction extends SqliteDatabase {
  rollback(): never {
    throw new TransactionRollbackError();
  }
}

interface SelectConfig {
  readonly fields: SelectedFields | undefined;
  readonly withList?: Subquery[];
  readonly distinct?: boolean;
}

class SelectBuilder extends SQLiteSelectBuilder<SelectedFields | undefined, "async", WriteResult> {
  override from<Source extends SQLiteTable | Subquery | SQLiteViewBase | SQL>(source: Source) {
    const query = super.from(source);
    // Only one transaction writes at a time, so there is no row to lock.
    return Object.assign(query, { for: () => query });
  }
}
