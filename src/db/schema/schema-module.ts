import { relations, sql, type Table } from "drizzle-orm";
import type { Dialect } from "../dialect.ts";
import { type Columns, createColumns } from "./columns.ts";
import { type Constraints, createConstraints } from "./constraints.ts";
import { type CoreTables, createCoreTables, createPublicUsers, type PublicUsers } from "./core-tables.ts";
import { TableFactory, type TableFunction } from "./tables.ts";

/** What `import … from "xcore/schema"` gives. */
export interface SchemaModule extends Columns, Constraints {
  /** The accounts, without what is the core's alone. */
  readonly users: PublicUsers;
  readonly table: TableFunction;
  /** For `import { enum as … }`; the same as `enumOf`. */
  readonly enum: Columns["enumOf"];
  readonly relations: typeof relations;
  readonly sql: typeof sql;
}

export interface SchemaModuleOptions {
  /** Is told of each table that `table()` makes, which those of the core are not. */
  readonly onTable?: (table: Table) => void;
  /**
   * The accounts, where several modules are to have the same: drizzle joins relations at the very object.
   *
   * @default a declaration of its own
   */
  readonly users?: PublicUsers;
}

/** Creates the table builder of a dialect. Names of tables are unique within it. */
export function createSchemaModule(dialect: Dialect, options: SchemaModuleOptions = {}): SchemaModule {
  const columns = createColumns(dialect);
  const constraints = createConstraints(dialect);
  const factory = new TableFactory(dialect, constraints);
  // One drizzle table for each dialect, typed as PostgreSQL's.
  const declareTable = factory.create.bind(factory) as unknown as TableFunction;
  // Their names are taken.
  createCoreTables({ ...columns, ...constraints, table: declareTable });
  const users = options.users ?? declareUsers(dialect);

  const table: TableFunction = (name, map, list) => {
    const made = declareTable(name, map, list);
    options.onTable?.(made);
    return made;
  };
  return { ...columns, ...constraints, users, table, enum: columns.enumOf, relations, sql };
}

/** Declares what plugins see of the accounts. */
export function declareUsers(dialect: Dialect): PublicUsers {
  const columns = createColumns(dialect);
  const factory = new TableFactory(dialect, createConstraints(dialect));
  return createPublicUsers({ ...columns, table: factory.create.bind(factory) as unknown as TableFunction });
}

/** Returns the tables of xcore itself for a dialect. */
export function createCoreSchema(dialect: Dialect): CoreTables {
  const columns = createColumns(dialect);
  const constraints = createConstraints(dialect);
  const factory = new TableFactory(dialect, constraints);
  const table = factory.create.bind(factory) as unknown as TableFunction;
  return createCoreTables({ ...columns, ...constraints, table });
}
