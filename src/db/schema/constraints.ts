import { createHash } from "node:crypto";
import { Column, getTableName, is, SQL, type SQLChunk, sql } from "drizzle-orm";
import type * as pg from "drizzle-orm/pg-core";
import type { TableMakers } from "../contract/driver.ts";
import { declarationOf } from "./column-kind.ts";
import { ENUM_LENGTH, type ReferenceAction } from "./columns.ts";
import { SearchIndexBuilder } from "./search-index.ts";

declare const CONSTRAINT: unique symbol;

/** An index or a constraint, for the list that the third argument of `table()` returns. */
export interface Constraint {
  readonly [CONSTRAINT]: true;
}

export interface ForeignKeyConstraint extends Constraint {
  /** @default "no action" */
  onDelete(action: ReferenceAction): this;
  /** @default "no action" */
  onUpdate(action: ReferenceAction): this;
}

type SomeColumns = readonly [pg.AnyPgColumn, ...pg.AnyPgColumn[]];

export interface OnColumns {
  /** The columns, the one that queries always name first. */
  on(...columns: SomeColumns): Constraint;
}

/** Indexes and constraints of a table as a whole. */
export interface Constraints {
  readonly index: (name: string) => OnColumns;
  readonly uniqueIndex: (name: string) => OnColumns;
  readonly unique: (name?: string) => OnColumns;
  /**
   * An index of the words of text, for resources with `searchIndex: true`: one a table, which has `id()` as its primary key.
   * The name is that of a table of SQLite's, and of a column of MySQL's.
   */
  readonly searchIndex: (name: string) => OnColumns;
  readonly check: (name: string, condition: SQL) => Constraint;
  readonly primaryKey: (key: { readonly name?: string; readonly columns: SomeColumns }) => Constraint;
  readonly foreignKey: (key: {
    readonly name?: string;
    readonly columns: SomeColumns;
    readonly foreignColumns: SomeColumns;
  }) => ForeignKeyConstraint;
}

type AnyColumns = [pg.AnyPgColumn, ...pg.AnyPgColumn[]];

/** Of an index of MySQL, with tables of utf8mb4. */
const MAX_INDEX_BYTES = 3072;
const BYTES_PER_CHARACTER = 4;
const UUID_LENGTH = 36;
const MAX_NUMBER_BYTES = 30;
/** The longest that PostgreSQL keeps; MySQL's limit is 64. */
const MAX_NAME_LENGTH = 63;
const NAME_HASH_LENGTH = 8;
const NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Returns the constraints of a dialect. */
export function createConstraints(makers: TableMakers): Constraints {
  const constraints = {
    index: (name: string) => onIndexable(name, makers.index(name)),
    uniqueIndex: (name: string) => onIndexable(name, makers.uniqueIndex(name)),
    unique: (name?: string) => ({
      on(...columns: AnyColumns) {
        assertIndexable(columns);
        const key = name ?? toColumnsName(columns, "unique");
        assertName("the constraint", key);
        return makers.unique(key).on(...columns);
      },
    }),
    searchIndex: (name: string) => ({
      on(...columns: AnyColumns) {
        assertName("the search index", name);
        return new SearchIndexBuilder(name, columns);
      },
    }),
    check(name: string, condition: SQL) {
      assertName("the check", name);
      return makers.check(name, toTableSql(condition));
    },
    primaryKey(key: { name?: string; columns: AnyColumns }) {
      assertIndexable(key.columns);
      const name = key.name ?? toColumnsName(key.columns, "pk");
      assertName("the primary key", name);
      return makers.primaryKey({ name, columns: key.columns });
    },
    foreignKey(key: { name?: string; columns: AnyColumns; foreignColumns: AnyColumns }) {
      const { columns, foreignColumns } = key;
      const name = key.name ?? toForeignKeyName(columns, foreignColumns);
      assertName("the foreign key", name);
      assertReferable(columns, foreignColumns);
      return makers.foreignKey({ name, columns, foreignColumns });
    },
  };
  return constraints as unknown as Constraints;
}

/** Throws a TypeError unless every database can index the columns together. */
export function assertIndexable(columns: readonly Column[]): void {
  let bytes = 0;
  for (const column of columns) {
    const size = toIndexBytes(column);
    if (size === null) {
      const { name } = column;
      throw new TypeError(
        `Cannot index the column "${name}": MySQL can't index text and json; declare it as varchar(length)`,
      );
    }
    bytes += size;
  }
  if (bytes <= MAX_INDEX_BYTES) return;
  const names = columns.map(({ name }) => `"${name}"`).join(", ");
  throw new TypeError(
    `Cannot index ${names}: ${bytes} bytes are more than MySQL's ${MAX_INDEX_BYTES} (4 for each character of a varchar)`,
  );
}

/** Throws a TypeError unless every database can compare the columns with those that they refer to. */
export function assertReferable(columns: readonly Column[], targets: readonly Column[]): void {
  for (const [position, column] of columns.entries()) {
    const target = targets[position];
    if (target !== undefined && toReferredType(column) === toReferredType(target)) continue;
    const [from, to] = [column, target].map((one) =>
      one === undefined ? "nothing" : `"${getTableName(one.table)}"."${one.name}" (${toReferredType(one)})`,
    );
    throw new TypeError(`Cannot refer from ${from} to ${to}: the types differ`);
  }
}

/** The name of a foreign key that was given none: drizzle's, cut where it is too long. */
export function toForeignKeyName(columns: readonly Column[], targets: readonly Column[]): string {
  const parts = [columns, targets].flatMap((side) => {
    const [first] = side;
    return first === undefined ? [] : [getTableName(first.table), ...side.map(({ name }) => name)];
  });
  return toConstraintName(...parts, "fk");
}

/** Throws a TypeError unless the name is fit for every database: lower case, so that none folds it. */
export function assertName(what: string, name: string): void {
  if (NAME.test(name)) return;
  throw new TypeError(
    `Cannot declare ${what} "${name}": a name starts with a letter, consists of a-z, 0-9 and "_", and has at most ${MAX_NAME_LENGTH} characters`,
  );
}

/** The name of a constraint, from its parts; one that is too long is cut and ends in a hash of the whole. */
export function toConstraintName(...parts: string[]): string {
  const name = parts.join("_");
  if (name.length <= MAX_NAME_LENGTH) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, NAME_HASH_LENGTH);
  return `${name.slice(0, MAX_NAME_LENGTH - NAME_HASH_LENGTH - 1)}_${hash}`;
}

function onIndexable(name: string, builder: pg.IndexBuilderOn) {
  assertName("the index", name);
  return {
    on(...columns: AnyColumns) {
      assertIndexable(columns);
      return builder.on(...columns);
    },
  };
}

function toIndexBytes(column: Column): number | null {
  const kind = declarationOf(column)?.kind;
  if (kind?.type === "text" || kind?.type === "json") return null;
  if (kind?.type === "varchar") return kind.length * BYTES_PER_CHARACTER;
  if (kind?.type === "enum") return ENUM_LENGTH * BYTES_PER_CHARACTER;
  return kind?.type === "uuid" ? UUID_LENGTH * BYTES_PER_CHARACTER : MAX_NUMBER_BYTES;
}

function toReferredType(column: Column): string {
  const type = declarationOf(column)?.kind.type ?? column.getSQLType();
  return type === "id" || type === "references" ? "bigint" : type;
}

function toColumnsName(columns: readonly Column[], suffix: string): string {
  const [first] = columns;
  const table = first === undefined ? "" : getTableName(first.table);
  return toConstraintName(table, ...columns.map(({ name }) => name), suffix);
}

/** SQL as it stands inside CREATE TABLE: columns without their table, values written out. */
function toTableSql(condition: SQL): SQL {
  return new SQL(condition.queryChunks.map(toTableChunk)).inlineParams();
}

function toTableChunk(chunk: SQLChunk): SQLChunk {
  if (is(chunk, Column)) return sql.identifier(chunk.name);
  if (is(chunk, SQL)) return toTableSql(chunk);
  return Array.isArray(chunk) ? chunk.map(toTableChunk) : chunk;
}
