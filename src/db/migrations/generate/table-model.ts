/** A table as the generator compares it: drizzle-kit's snapshots of each dialect brought to one shape. */
export interface TableModel {
  readonly name: string;
  readonly columns: ReadonlyMap<string, ColumnModel>;
  /** Columns of the primary key; empty without one. */
  readonly primaryKey: readonly string[];
  readonly indexes: ReadonlyMap<string, IndexModel>;
  readonly foreignKeys: ReadonlyMap<string, ForeignKeyModel>;
  /** Conditions by the constraint's name, columns without their table. */
  readonly checks: ReadonlyMap<string, string>;
}

export interface ColumnModel {
  readonly name: string;
  /** As the dialect writes it. */
  readonly type: string;
  readonly isNotNull: boolean;
  /** Whether the database counts it up: AUTOINCREMENT, AUTO_INCREMENT or an identity. */
  readonly isCounted: boolean;
  /** SQL of the default; null without one. */
  readonly default: string | null;
}

export interface IndexModel {
  readonly kind: "index" | "unique index" | "unique constraint" | "search index";
  readonly columns: readonly string[];
}

export interface ForeignKeyModel {
  readonly columns: readonly string[];
  readonly toTable: string;
  readonly toColumns: readonly string[];
  readonly onDelete: string;
  readonly onUpdate: string;
}

/** Tables by name. */
export type SchemaModel = ReadonlyMap<string, TableModel>;

/** Whether an index refuses rows. */
export function isUnique({ kind }: IndexModel): boolean {
  return kind === "unique index" || kind === "unique constraint";
}
