import { relations, sql, type Table } from "drizzle-orm";
import type { Dialect } from "../dialect.ts";
import { type Columns, createColumns } from "./columns.ts";
import { type Constraints, createConstraints } from "./constraints.ts";
import { type CoreTables, createCoreTables } from "./core-tables.ts";
import { TableFactory, type TableFunction } from "./tables.ts";

/** What `import … from "xcore/schema"` gives. */
export interface SchemaModule extends Columns, Constraints, CoreTables {
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
   * The core's tables, where several modules are to have the same: drizzle joins relations at the very object.
   *
   * @default tables of its own
   */
  readonly coreTables?: CoreTables;
}

/** Declares the core's tables for the modules of a dialect. */
export function declareCoreTables(dialect: Dialect): CoreTables {
  const { users } = createSchemaModule(dialect);
  return { users };
}

/** Creates the table builder of a dialect. Names of tables are unique within it. */
export function createSchemaModule(dialect: Dialect, options: SchemaModuleOptions = {}): SchemaModule {
  const columns = createColumns(dialect);
  const constraints = createConstraints(dialect);
  const factory = new TableFactory(dialect, constraints);
  // One drizzle table for each dialect, typed as PostgreSQL's.
  const declareTable = factory.create.bind(factory) as unknown as TableFunction;
  // Also where others are given: their names are taken.
  const ownCoreTables = createCoreTables({ ...columns, table: declareTable });
  const coreTables = options.coreTables ?? ownCoreTables;

  const table: TableFunction = (name, map, list) => {
    const made = declareTable(name, map, list);
    options.onTable?.(made);
    return made;
  };
  return { ...columns, ...constraints, ...coreTables, table, enum: columns.enumOf, relations, sql };
}
