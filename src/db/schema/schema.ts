import { relations, sql, type Table } from "drizzle-orm";
import type { TableMakers } from "../contract/driver.ts";
import { kindOf, targetOf } from "./column-kind.ts";
import { type Columns, createColumns } from "./columns.ts";
import { type Constraints, createConstraints } from "./constraints.ts";
import {
  type CoreTables,
  createCoreTables,
  createPublicUsers,
  type PublicUsers,
  toTableName,
} from "./core-tables.ts";
import { TableFactory, type TableFunction } from "./tables.ts";

/** What `import … from "xcore/schema"` gives. */
export interface SchemaModule extends Columns, Constraints {
  /** The accounts, without what is the core's alone. */
  readonly users: PublicUsers;
  readonly table: TableFunction;
  /** For `import { enum as … }`; the same as `enumOf`. */
  readonly enum: Columns["enumOf"];
  readonly kindOf: typeof kindOf;
  readonly targetOf: typeof targetOf;
  readonly relations: typeof relations;
  readonly sql: typeof sql;
}

export interface SchemaModuleOptions {
  /** Is told of each table that `table()` makes; the core declares its own elsewhere. */
  readonly onTable?: (table: Table) => void;
  /**
   * What the core declares, where several modules are to have the same: drizzle joins relations at the very object.
   *
   * @default a declaration of its own
   */
  readonly core?: CoreDeclaration;
}

/** What plugins are given of the core's tables. */
export interface CoreDeclaration {
  /** The accounts, without what is the core's alone. */
  readonly users: PublicUsers;
  /** What their resources may note of changes. */
  readonly history: CoreTables["resourceHistory"];
  /** What is said of their rows. */
  readonly comments: CoreTables["resourceComments"];
  /** What numbers of their rows are counted by. */
  readonly numbers: CoreTables["numberSeries"];
  /** The files that belong to their rows. */
  readonly files: CoreTables["storedFiles"];
  /** Where files wait that are imported into them. */
  readonly imports: Pick<CoreTables, "resourceImports" | "resourceImportPieces">;
  /** Names of all of the core's tables: no plugin's may have one of them. */
  readonly tableNames: readonly string[];
}

/** Creates the table builder of a dialect. Names of tables are unique within it. */
export function createSchemaModule(makers: TableMakers, options: SchemaModuleOptions = {}): SchemaModule {
  const { users, tableNames } = options.core ?? declareCore(makers);
  const { table: declareTable, ...builder } = createBuilder(makers, tableNames);
  const table: TableFunction = (name, map, list) => {
    const made = declareTable(name, map, list);
    options.onTable?.(made);
    return made;
  };
  return { ...builder, users, table, enum: builder.enumOf, kindOf, targetOf, relations, sql };
}

/** Declares what plugins are given of the core's tables, once for all modules that are to share it. */
export function declareCore(makers: TableMakers, tables = createCoreSchema(makers)): CoreDeclaration {
  const users = createPublicUsers(createBuilder(makers));
  return {
    users,
    get history() {
      return tables.resourceHistory;
    },
    get comments() {
      return tables.resourceComments;
    },
    get numbers() {
      return tables.numberSeries;
    },
    get files() {
      return tables.storedFiles;
    },
    imports: tables,
    tableNames: (Object.keys(tables) as (keyof CoreTables)[]).map(toTableName),
  };
}

/** Returns the tables of xcore itself for a dialect. */
export function createCoreSchema(makers: TableMakers): CoreTables {
  return createCoreTables(createBuilder(makers));
}

/** @param taken names that no table may have */
function createBuilder(
  makers: TableMakers,
  taken: readonly string[] = [],
): Columns & Constraints & { readonly table: TableFunction } {
  const constraints = createConstraints(makers);
  const factory = new TableFactory(makers, constraints, taken);
  // One drizzle table for each dialect, typed as PostgreSQL's.
  const table = factory.create.bind(factory) as unknown as TableFunction;
  return { ...createColumns(makers), ...constraints, table };
}
