import type { Column, SQL } from "drizzle-orm";

/** A primary key, unique constraint or unique index of a table. */
export interface UniqueKey<C extends Column = Column> {
  /** "PRIMARY" for the primary key. */
  readonly name: string;
  readonly columns: readonly C[];
}

/** What drizzle's `getTableConfig` says of what is unique, alike in each dialect. */
export interface UniqueParts<C extends Column> {
  readonly columns: readonly C[];
  readonly primaryKeys: readonly { readonly columns: readonly C[] }[];
  readonly uniqueConstraints: readonly {
    readonly columns: readonly C[];
    getName(): string | undefined;
  }[];
  /** PostgreSQL's columns are copies. */
  readonly indexes: readonly {
    readonly config: {
      readonly name?: string | undefined;
      readonly unique?: boolean;
      readonly where?: SQL | undefined;
      readonly columns: readonly (SQL | { readonly name?: string | undefined })[];
    };
  }[];
}

/** Lists what is unique in all rows of a table, its primary key first. */
export function listUniqueKeys<C extends Column>(parts: UniqueParts<C>): UniqueKey<C>[] {
  const { columns, primaryKeys, uniqueConstraints, indexes } = parts;
  const primary = primaryKeys[0]?.columns ?? columns.filter((column) => column.primary);
  const keys: UniqueKey<C>[] = primary.length === 0 ? [] : [{ name: "PRIMARY", columns: primary }];
  for (const column of columns) {
    if (column.isUnique) keys.push({ name: column.uniqueName ?? column.name, columns: [column] });
  }
  for (const constraint of uniqueConstraints) {
    keys.push({ name: constraint.getName() ?? "", columns: constraint.columns });
  }
  for (const { config } of indexes) {
    if (config.unique !== true || config.where !== undefined) continue;
    const plain = config.columns.flatMap((part) =>
      columns.filter(({ name }) => "name" in part && part.name === name),
    );
    if (plain.length === config.columns.length) keys.push({ name: config.name ?? "", columns: plain });
  }
  return keys;
}
