import type { Column, Table } from "drizzle-orm";

/** What a column was declared as, which its SQL type doesn't tell on every database. */
export type ColumnKind =
  | {
      readonly type:
        | "id"
        | "uuid"
        | "text"
        | "integer"
        | "bigint"
        | "boolean"
        | "timestamp"
        | "date"
        | "json"
        | "references";
    }
  | { readonly type: "varchar"; readonly length: number }
  | { readonly type: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly type: "enum"; readonly values: readonly string[] }
  /** Types as they were given, such as "image/*"; the size in bytes. Null for any. */
  | { readonly type: "file"; readonly types: readonly string[] | null; readonly maxSize: number | null };

/** What a builder carries until its table is made. */
export interface Declaration {
  readonly kind: ColumnKind;
  /** The name given to `unique("name")`. */
  uniqueName?: string | undefined;
  /** What was given to `default()`, where that is a text, a number, true or false. */
  default?: string | number | boolean | undefined;
  /** What was given to `references()`. */
  target?: (() => Column) | undefined;
}

/** An index by which rows are found by the words of these columns. */
export interface SearchIndex {
  readonly name: string;
  /** Names of its columns. */
  readonly columns: readonly string[];
}

// Of the registry: tables outlive a hot swap of this file.
const DECLARATION = Symbol.for("xcore:declaration");
/** What tells a search index from other constraints. */
export const SEARCH_INDEX = Symbol.for("xcore:search-index");
const CONSTRAINTS = Symbol.for("drizzle:ExtraConfigBuilder");
const CONSTRAINED = Symbol.for("drizzle:ExtraConfigColumns");

/** Notes on a drizzle builder what it was declared as; the columns that the builder makes carry the note too. */
export function setDeclaration(builder: object, declaration: Declaration): void {
  configOf(builder)[DECLARATION] = declaration;
}

/** What a builder or a column was declared as; undefined when it isn't of "xcore/schema". */
export function declarationOf(column: unknown): Declaration | undefined {
  if (typeof column !== "object" || column === null || !("config" in column)) return undefined;
  return configOf(column)[DECLARATION];
}

/**
 * What a column was declared as: `{ type: "varchar", length: 255 }`, `{ type: "enum", values: ["draft", "published"] }`,
 * `{ type: "decimal", precision: 15, scale: 2 }`.
 *
 * @throws TypeError for a column that isn't of "xcore/schema"
 */
export function kindOf(column: Column): ColumnKind {
  const kind = declarationOf(column)?.kind;
  if (kind === undefined)
    throw new TypeError(`Cannot tell what "${column.name}" is: it isn't a column of "xcore/schema"`);
  return kind;
}

/** The column that a column refers to by `references()`; null for one that refers to none. */
export function targetOf(column: Column): Column | null {
  return declarationOf(column)?.target?.() ?? null;
}

/** The index by which a table's rows are found by words; null where it declares none. */
export function searchIndexOf(table: Table): SearchIndex | null {
  const constraints = Reflect.get(table, CONSTRAINTS) as ((columns: unknown) => unknown[]) | undefined;
  return (constraints?.(Reflect.get(table, CONSTRAINED)) ?? []).find(isSearchIndex) ?? null;
}

export function isSearchIndex(constraint: unknown): constraint is SearchIndex {
  return typeof constraint === "object" && constraint !== null && SEARCH_INDEX in constraint;
}

/** Drizzle shares the protected `config` of a builder with the columns that it builds. */
function configOf(column: object): { [DECLARATION]?: Declaration } {
  return (column as { config: { [DECLARATION]?: Declaration } }).config;
}
