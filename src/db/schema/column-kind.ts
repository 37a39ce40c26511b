import type { Column } from "drizzle-orm";

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
  | { readonly type: "enum"; readonly values: readonly string[] };

/** What a builder carries until its table is made. */
export interface Declaration {
  readonly kind: ColumnKind;
  /** The name given to `unique("name")`. */
  uniqueName?: string | undefined;
  /** What was given to `references()`. */
  target?: (() => Column) | undefined;
}

// Of the registry: tables outlive a hot swap of this file.
const DECLARATION = Symbol.for("xcore:declaration");

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

/** Drizzle shares the protected `config` of a builder with the columns that it builds. */
function configOf(column: object): { [DECLARATION]?: Declaration } {
  return (column as { config: { [DECLARATION]?: Declaration } }).config;
}
