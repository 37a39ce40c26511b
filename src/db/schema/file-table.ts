import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { TableFunction } from "./tables.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the table of files that plugins keep, and that belong to rows of theirs; their contents are where `storage` says, by id. */
export function createStoredFiles({ bigint, index, table, timestamp, unique, uuid, varchar }: Schema) {
  return table(
    "stored_files",
    {
      id: uuid().primaryKey().defaultRandom(),
      plugin: varchar(64).notNull(),
      /** What the plugin calls it by; null for one of a row. */
      key: varchar(255),
      /** Of the row that it is for; null for one of the plugin's own. */
      table_name: varchar(64),
      column_name: varchar(64),
      /** The row's primary key as text; null until a row refers to it. */
      row_key: varchar(255),
      /** As its sender has called it, without what isn't safe in a name. */
      name: varchar(255).notNull(),
      type: varchar(255).notNull(),
      size: bigint().notNull(),
      /** SHA-256 of the content in hex. */
      hash: varchar(64).notNull(),
      /** Null for nobody known. No foreign key: files outlive accounts. */
      created_by: bigint(),
      /** The administrator who has attached it to a row while viewing as that account; null for the account alone. */
      viewer_id: bigint(),
      created_at: timestamp().notNull().defaultNow(),
      /** When it goes, unless a row comes to refer to it; null for one that stays. */
      expires_at: timestamp(),
    },
    (t) => [
      unique("stored_files_key").on(t.plugin, t.key),
      index("stored_files_row").on(t.table_name, t.column_name),
      index("stored_files_expiry").on(t.expires_at),
    ],
  );
}
