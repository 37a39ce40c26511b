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

/** Drizzle shares the protected `config` of a builder with the columns that it builds. */
function configOf(column: object): { [DECLARATION]?: Declaration } {
  return (column as { config: { [DECLARATION]?: Declaration } }).config;
}
