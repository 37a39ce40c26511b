import { type SQL, type Subquery, type TablesRelationalConfig, TransactionRollbackError } from "drizzle-orm";
import {
  BaseSQLiteDatabase,
  type SelectedFields,
  SQLiteDeleteBase,
  SQLiteInsertBuilder,
  SQLiteSelectBuilder,
  type SQLiteTable,
  SQLiteUpdateBuilder,
  type SQLiteView,
} from "drizzle-orm/sqlite-core";
import type { SQLiteViewBase } from "drizzle-orm/sqlite-core/view-base";
import type { SchemaTables, WriteResult } from "../contract/database.ts";
import type { RelationalSchema } from "../drizzle/relational-schema.ts";
import type { Access } from "./access.ts";
import type { Row } from "./connection.ts";
import type { Dialect } from "./dialect.ts";
import { Session } from "./session.ts";
import type { OpenTransaction } from "./transaction.ts";

export interface QueriesOptions {
  readonly access: Access;
  readonly dialect: Dialect;
  readonly schema: RelationalSchema;
  /** Opens a transaction, or a savepoint in the one that these queries belong to. */
  readonly begin: <T>(work: (transaction: OpenTransaction) => Promise<T>) => Promise<T>;
}

/** What code sees as `db` or `tx`, typed there as Postgres's: see Database in database.ts. */
export class Queries {
  readonly #options: QueriesOptions;
  readonly #session: Session;
  readonly #drizzle: BaseSQLiteDatabase<"async", WriteResult, SchemaTables, TablesRelationalConfig>;

  constructor(options: QueriesOptions) {
    this.#options = options;
    this.#session = new Session(options.access, options.dialect);
    this.#drizzle = new BaseSQLiteDatabase("async", options.dialect, this.#session, options.schema);
  }

  get query(): unknown {
    return this.#drizzle.query;
  }

  get $with(): unknown {
    return this.#drizzle.$with;
  }

  $count(source: SQLiteTable | SQLiteView | SQL, filters?: SQL): Promise<number> {
    return this.#drizzle.$count(source, filters);
  }

  select(fields?: SelectedFields): SelectBuilder {
    return this.#select({ fields });
  }

  selectDistinct(fields?: SelectedFields): SelectBuilder {
    return this.#select({ fields, distinct: true });
  }

  insert(table: SQLiteTable): unknown {
    return new SQLiteInsertBuilder(table, this.#session, this.#options.dialect);
  }

  update(table: SQLiteTable): unknown {
    return new SQLiteUpdateBuilder(table, this.#session, this.#options.dialect);
  }

  delete(table: SQLiteTable): unknown {
    return new SQLiteDeleteBase(table, this.#session, this.#options.dialect);
  }

  with(...withList: Parameters<BaseSQLiteDatabase<"async", WriteResult>["with"]>): unknown {
    return {
      ...this.#drizzle.with(...withList),
      select: (fields?: SelectedFields) => this.#select({ fields, withList }),
      selectDistinct: (fields?: SelectedFields) => this.#select({ fields, withList, distinct: true }),
    };
  }

  execute(query: SQL): Promise<Row[]> {
    return this.#session.execute(query);
  }

  transaction<T>(work: (tx: Queries) => Promise<T>): Promise<T> {
    const { dialect, schema, begin } = this.#options;
    return begin(async (access) =>
      work(new Queries({ access, dialect, schema, begin: (nested) => access.nest(nested) })),
    );
  }

  rollback(): never {
    throw new TransactionRollbackError();
  }

  #select(config: SelectConfig): SelectBuilder {
    return new SelectBuilder({ ...config, session: this.#session, dialect: this.#options.dialect });
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
