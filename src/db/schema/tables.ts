import { type BuildColumns, type Column, getTableColumns, type SQL, sql, type Table } from "drizzle-orm";
import type { PgColumnBuilderBase, PgTable } from "drizzle-orm/pg-core";
import type { Dialect, TableMakers } from "../contract/driver.ts";
import { declarationOf } from "./column-kind.ts";
import { bigintValues, booleanValues, toStringLiteral } from "./column-values.ts";
import {
  assertIndexable,
  assertName,
  assertReferable,
  type Constraint,
  type Constraints,
  toConstraintName,
  toForeignKeyName,
} from "./constraints.ts";
import { assertSearchable } from "./search-index.ts";

type ColumnMap = Record<string, PgColumnBuilderBase>;

interface TableConfig<Name extends string, Map extends ColumnMap> {
  name: Name;
  schema: undefined;
  columns: BuildColumns<Name, Map, "pg">;
  dialect: "pg";
}

/** A table whose columns are its properties, typed as PostgreSQL's. */
export type PortableTable<Name extends string, Map extends ColumnMap> = PgTable<TableConfig<Name, Map>> &
  BuildColumns<Name, Map, "pg">;

/**
 * Declares a table. Its name and those of its columns are what the database calls them: snake_case.
 *
 * @throws TypeError when a name isn't fit, the name is taken, or a column can't be as it is declared on every
 * database
 */
export type TableFunction = <const Name extends string, Map extends ColumnMap>(
  name: Name,
  columns: Map,
  constraints?: (table: BuildColumns<Name, Map, "pg">) => readonly Constraint[],
) => PortableTable<Name, Map>;

/** A drizzle table of any dialect. */
type AnyTable = Table & Record<string, Column>;
type MakeTable = (name: string, columns: ColumnMap, constraints: (self: AnyTable) => unknown[]) => AnyTable;

/** What drizzle keeps of `references()` until it is asked for. */
interface InlineForeignKey {
  reference: () => { name?: string; columns: Column[]; foreignColumns: Column[] };
}

const INLINE_FOREIGN_KEYS: Readonly<Record<Dialect, symbol>> = {
  sqlite: Symbol.for("drizzle:SQLiteInlineForeignKeys"),
  postgres: Symbol.for("drizzle:PgInlineForeignKeys"),
  mysql: Symbol.for("drizzle:MySqlInlineForeignKeys"),
};
/** Names of tables that the databases, or xcore's own, begin with. */
const RESERVED = /^(sqlite|pg|xcore)_/;

/** Makes tables of a dialect; each name of a table, an index or a constraint once. */
export class TableFactory {
  readonly #dialect: Dialect;
  readonly #makeTable: MakeTable;
  readonly #check: Constraints["check"];
  readonly #tables: Set<string>;
  /** Tables by the names of their indexes and constraints, which a database keeps for all tables together. */
  readonly #owners = new Map<string, string>();

  /** @param taken names that no table may have */
  constructor(makers: TableMakers, constraints: Constraints, taken: readonly string[]) {
    this.#tables = new Set(taken);
    this.#dialect = makers.dialect;
    this.#makeTable = makers.table as unknown as MakeTable;
    this.#check = constraints.check;
  }

  /** See TableFunction. */
  create(
    name: string,
    columns: ColumnMap,
    constraints: (table: AnyTable) => readonly Constraint[] = () => [],
  ): AnyTable {
    this.#assertFree(name);
    assertColumns(name, columns);
    const checks: Constraint[] = [];
    // Drizzle calls this whenever it needs them, not before: constraints may name tables that come later.
    const table = this.#makeTable(name, columns, (self) => {
      const all: unknown[] = [...checks, ...constraints(self)];
      this.#assertConstraints(name, built, all);
      assertSearchable(table, name, all);
      return all;
    });
    const built = Object.values<Column>(getTableColumns(table));
    assertBuilt(name, Object.entries<Column>(getTableColumns(table)));
    for (const column of built) {
      nameUnique(column, name);
      // Drizzle remembers the names of such columns by the table's name for as long as a connection is open: it
      // would find none of a column that a plugin's new generation adds.
      Object.assign(column, { keyAsName: false });
      checkValues(column);
    }
    checks.push(...built.flatMap((column) => this.#checksOf(column, name)));
    for (const key of this.#inlineForeignKeysOf(table)) nameForeignKey(key);
    this.#tables.add(name);
    return table;
  }

  #assertFree(name: string): void {
    assertName("the table", name);
    if (RESERVED.test(name)) {
      throw new TypeError(`Cannot declare the table "${name}": "${name.split("_")[0]}_" is reserved`);
    }
    if (this.#tables.has(name)) {
      throw new TypeError(`Cannot declare the table "${name}": there is a table of this name already`);
    }
  }

  /** What the type of a column stands for, where the database doesn't keep it by itself. */
  #checksOf(column: Column, table: string): Constraint[] {
    const kind = declarationOf(column)?.kind;
    const identifier = sql.identifier(column.name);
    if (kind?.type === "enum") {
      const values = kind.values.map((value) => toStringLiteral(value, this.#dialect)).join(", ");
      const condition = sql`${identifier} in (${sql.raw(values)})`;
      return [this.#check(toConstraintName(table, column.name, "check"), condition)];
    }
    if (kind?.type === "varchar" && this.#dialect === "sqlite") {
      const condition: SQL = sql`length(${identifier}) <= ${sql.raw(String(kind.length))}`;
      return [this.#check(toConstraintName(table, column.name, "length"), condition)];
    }
    return [];
  }

  #inlineForeignKeysOf(table: AnyTable): InlineForeignKey[] {
    const keys = Reflect.get(table, INLINE_FOREIGN_KEYS[this.#dialect]) as InlineForeignKey[] | undefined;
    return keys ?? [];
  }

  /** Drizzle passes over what isn't a constraint; drizzle-kit ends the process where a name is there twice. */
  #assertConstraints(table: string, columns: readonly Column[], constraints: readonly unknown[]): void {
    const names = columns.flatMap(({ isUnique, uniqueName }) =>
      isUnique && uniqueName !== undefined ? [uniqueName] : [],
    );
    for (const constraint of constraints) {
      if (!isBuilder(constraint)) {
        throw new TypeError(
          `Cannot declare the table "${table}": its third argument must return a list of index(…).on(…), searchIndex(…).on(…), unique(…).on(…), check(…), primaryKey(…) and foreignKey(…)`,
        );
      }
      const name = constraint.name ?? constraint.config?.name;
      if (name !== undefined) names.push(name);
    }
    for (const [position, name] of names.entries()) {
      const owner = this.#owners.get(name) ?? table;
      if (owner === table && names.indexOf(name) === position) continue;
      throw new TypeError(
        `Cannot declare "${name}" of the table "${table}": the table "${owner}" has an index or a constraint of this name`,
      );
    }
    for (const name of names) this.#owners.set(name, table);
  }
}

interface ConstraintBuilder {
  readonly name?: string;
  readonly config?: { readonly name?: string };
}

/** Whether it is one of drizzle's builders; `index("name")` without its columns is none. */
function isBuilder(value: unknown): value is ConstraintBuilder {
  return typeof value === "object" && value !== null && "build" in value;
}

function assertColumns(table: string, columns: ColumnMap): void {
  const entries = Object.entries(columns);
  if (entries.length === 0) throw new TypeError(`Cannot declare the table "${table}": it has no columns`);
  for (const [name, builder] of entries) {
    assertName(`the column of "${table}"`, name);
    if (declarationOf(builder) !== undefined) continue;
    throw new TypeError(
      `Cannot declare the column "${name}" of "${table}": it isn't one of "xcore/schema", such as text()`,
    );
  }
}

function assertBuilt(table: string, columns: readonly (readonly [string, Column])[]): void {
  for (const [key, column] of columns) {
    if (column.name !== key) {
      throw new TypeError(
        `Cannot declare the column "${key}" of "${table}": it is the same object as "${column.name}"; call its type again`,
      );
    }
    if (column.isUnique || column.primary) assertIndexable([column]);
  }
  const primary = columns.filter(([, column]) => column.primary).map(([key]) => key);
  if (primary.length > 1) {
    throw new TypeError(
      `Cannot declare the table "${table}": it has several primary keys; name their columns in primaryKey({ columns }) of the third argument`,
    );
  }
  // drizzle-kit names the primary key so, and MySQL takes no longer name.
  assertName("the primary key", [table, ...primary].join("_"));
}

/** Drizzle's own types pass on whatever they are given: "false" would be true on one database, and refused by another. */
function checkValues(column: Column): void {
  const type = declarationOf(column)?.kind.type;
  if (type !== "id" && type !== "boolean") return;
  const values = type === "id" ? bigintValues : booleanValues;
  column.mapToDriverValue = (value) => values.encode(value, column);
}

/** Names the constraint of `unique()`: drizzle's name may be too long, or that of another table with the builder. */
function nameUnique(column: Column, table: string): void {
  if (!column.isUnique) return;
  const given = declarationOf(column)?.uniqueName;
  if (given !== undefined) assertName("the constraint", given);
  Object.assign(column, { uniqueName: given ?? toConstraintName(table, column.name, "unique") });
}

function nameForeignKey(key: InlineForeignKey): void {
  const { reference } = key;
  key.reference = () => {
    const made = reference();
    assertReferable(made.columns, made.foreignColumns);
    return { ...made, name: toForeignKeyName(made.columns, made.foreignColumns) };
  };
}
