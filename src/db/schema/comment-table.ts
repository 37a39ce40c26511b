import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { TableFunction } from "./tables.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the table of comments on rows of plugins' tables, whose resources take them. */
export function createResourceComments({ bigint, id, index, table, text, timestamp, varchar }: Schema) {
  return table(
    "resource_comments",
    {
      id: id(),
      table_name: varchar(64).notNull(),
      /** The row's primary key as text: see `toRowKey` in src/resources/history. */
      row_key: varchar(255).notNull(),
      /** No foreign key: comments outlive accounts. */
      author_id: bigint().notNull(),
      /** The administrator who has written it, or changed it since, while viewing as the author; null for the author alone. */
      viewer_id: bigint(),
      body: text().notNull(),
      created_at: timestamp().notNull().defaultNow(),
      /** Null for one that is as it was written. */
      edited_at: timestamp(),
    },
    (t) => [index("resource_comments_row").on(t.table_name, t.row_key, t.id)],
  );
}
