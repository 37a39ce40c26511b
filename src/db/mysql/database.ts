import { type SQL, type Subquery, TransactionRollbackError } from "drizzle-orm";
import { MySqlDatabase, type MySqlDialect, type MySqlTable } from "drizzle-orm/mysql-core";
import type { TransactionOptions } from "../contract/database.ts";
import type { RelationalSchema } from "../drizzle/session-parts.ts";
import { noteTransaction } from "../transactions/commits.ts";
import { MysqlDelete } from "./delete.ts";
import { MysqlInsertBuilder } from "./insert.ts";
import type { MysqlSession } from "./session.ts";
import { MysqlUpdateBuilder } from "./update.ts";
import type { WriteTarget } from "./write-query.ts";

/** What PostgreSQL's builder of a select has besides MySQL's, or in another form. */
interface Select {
  for(strength: string, config?: { of?: unknown }): Select;
  fullJoin?: () => never;
}

/**
 * Drizzle's queries on MySQL, in the shape that they have on PostgreSQL: plugins are typed against that. What MySQL
 * can't do throws a TypeError.
 */
export class MysqlDatabase {
  readonly #dialect: MySqlDialect;
  readonly #session: MysqlSession;
  readonly #schema: RelationalSchema;
  readonly #drizzle: MySqlDatabase<never, never>;
  readonly query: unknown;

  constructor(dialect: MySqlDialect, session: MysqlSession, schema: RelationalSchema) {
    this.#dialect = dialect;
    this.#session = session;
    this.#schema = schema;
    // "planetscale": relational queries without LATERAL, which MariaDB has not.
    this.#drizzle = new MySqlDatabase(dialect, session, schema, "planetscale");
    this.query = this.#drizzle.query;
  }

  select(fields?: never): unknown {
    return toPortable(this.#drizzle.select(fields ?? (undefined as never)));
  }

  selectDistinct(fields?: never): unknown {
    return toPortable(this.#drizzle.selectDistinct(fields ?? (undefined as never)));
  }

  insert(table: MySqlTable): MysqlInsertBuilder {
    return new MysqlInsertBuilder(this.#on(table));
  }

  update(table: MySqlTable): MysqlUpdateBuilder {
    return new MysqlUpdateBuilder(this.#on(table));
  }

  delete(table: MySqlTable): MysqlDelete {
    return new MysqlDelete(this.#on(table));
  }

  with(...queries: never[]): unknown {
    const { select, selectDistinct } = this.#drizzle.with(...queries);
    const withList: Subquery[] = queries;
    return {
      select: (fields: never) => toPortable(select(fields)),
      selectDistinct: (fields: never) => toPortable(selectDistinct(fields)),
      insert: () => {
        throw new TypeError(
          'Cannot insert with "with": MySQL has no such insert; select first, or use insert().select()',
        );
      },
      update: (table: MySqlTable) => new MysqlUpdateBuilder({ ...this.#on(table), withList }),
      delete: (table: MySqlTable) => new MysqlDelete({ ...this.#on(table), withList }),
    };
  }

  $with(...given: never[]): unknown {
    const [alias, selection] = given;
    return this.#drizzle.$with(alias as never, selection as never);
  }

  $count(source: never, filters?: SQL): unknown {
    return this.#drizzle.$count(source, filters);
  }

  execute(query: SQL): Promise<unknown[]> {
    return this.#session.all(query);
  }

  transaction<T>(work: (tx: MysqlTransaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return this.#session.transact(
      (session) =>
        work(noteTransaction(new MysqlTransaction(this.#dialect, session, this.#schema), session.channel)),
      options,
    );
  }

  #on(table: MySqlTable): WriteTarget {
    return { table, session: this.#session, dialect: this.#dialect };
  }
}

export class MysqlTransaction extends MysqlDatabase {
  rollback(): never {
    throw new TransactionRollbackError();
  }
}

/** Gives a select the methods of PostgreSQL's, or the reason why it can't have them. */
function toPortable(builder: { from: (source: never) => unknown }): unknown {
  const from = builder.from.bind(builder);
  return Object.assign(builder, {
    from(source: never): unknown {
      const select = from(source) as Select;
      const lock = select.for.bind(select);
      select.fullJoin = () => {
        throw new TypeError(
          "Cannot use a full join: MySQL has none; use a left join and a right join with union",
        );
      };
      select.for = (strength, config = {}) => {
        if (strength !== "update" && strength !== "share") {
          throw new TypeError(`Cannot lock rows for "${strength}": MySQL only knows "update" and "share"`);
        }
        if (config.of !== undefined)
          throw new TypeError('Cannot lock rows with "of": MariaDB locks those of all tables');
        return lock(strength, config);
      };
      return select;
    },
  });
}
