import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { TableFunction } from "./tables.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the tables of files that are imported into plugins' tables by jobs. */
export function createImportTables(schema: Schema) {
  const { bigint, enumOf, index, integer, primaryKey, table, text, timestamp, uuid, varchar } = schema;
  const resourceImports = () =>
    table(
      "resource_imports",
      {
        id: uuid().primaryKey(),
        plugin: varchar(64).notNull(),
        resource: varchar(63).notNull(),
        /** The job that does it. */
        job_id: uuid().notNull(),
        /** Who asked for it, in whose name it is done; null for nobody known. No foreign key: they may be gone by then. */
        user_id: bigint(),
        /** The key that they asked with. */
        api_key_id: bigint(),
        /** JSON: what was asked for, and what the file is: see `Asked` in src/resources/import. */
        asked: text().notNull(),
        /** How many rows of the file are dealt with for good. */
        done: integer().notNull().default(0),
        /** Null until it has ended. */
        outcome: enumOf(["completed", "failed", "cancelled"]),
        /** JSON: what has become of these rows. */
        report: text(),
        /** JSON: why it failed. */
        error: text(),
        created_at: timestamp().notNull().defaultNow(),
        ended_at: timestamp(),
      },
      (t) => [
        index("resource_imports_created").on(t.created_at),
        index("resource_imports_open").on(t.ended_at, t.user_id),
      ],
    );
  /** What the files hold, until they are imported. */
  const resourceImportPieces = () =>
    table(
      "resource_import_pieces",
      {
        import_id: uuid().notNull(),
        place: integer().notNull(),
        /** In base64. */
        content: text().notNull(),
      },
      (t) => [primaryKey({ columns: [t.import_id, t.place] })],
    );
  return { resourceImports, resourceImportPieces };
}
