import type { Columns } from "./columns.ts";
import type { TableFunction } from "./tables.ts";

/** The tables of xcore itself, which a plugin's may refer to. */
export type CoreTables = ReturnType<typeof createCoreTables>;

/** Declares the core tables with the builder that plugins use too. */
export function createCoreTables({ table, ...columns }: Columns & { readonly table: TableFunction }) {
  const { boolean, id, timestamp, varchar } = columns;
  const users = table("users", {
    id: id(),
    email: varchar(255).notNull().unique(),
    full_name: varchar(255),
    is_active: boolean().notNull().default(true),
    created_at: timestamp().notNull().defaultNow(),
    updated_at: timestamp()
      .notNull()
      .defaultNow()
      .$onUpdate(() => new Date()),
  });
  return { users };
}
