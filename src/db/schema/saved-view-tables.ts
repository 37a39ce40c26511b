import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { Users } from "./core-tables.ts";
import { once } from "./on-demand.ts";
import type { TableFunction } from "./tables.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the tables of the views that people save of lists of plugins' rows. */
export function createSavedViewTables(schema: Schema, users: Users) {
  const { bigint, enumOf, id, index, integer, primaryKey, references, table, text, timestamp, unique } =
    schema;
  const resource = () => schema.varchar(128).notNull();
  const savedViews = once(() =>
    table(
      "saved_views",
      {
        id: id(),
        /** The plugin's name and its own: "crm.deals". */
        resource: resource(),
        /** Whose it is; null for one that is everybody's. */
        user_id: references(() => users().id, { onDelete: "cascade" }),
        /** The same, 0 for everybody: of a unique key no two nulls are the same. */
        scope: bigint().notNull(),
        name: schema.varchar(100).notNull(),
        /** JSON: names of columns, in order; null for those that the list shows of itself. */
        columns: text(),
        /** JSON: parameters of the list, each with a text or several. */
        query: text().notNull(),
        mode: enumOf(["paged", "endless"]).notNull(),
        /** Another one with each change. */
        version: integer().notNull().default(1),
        created_at: timestamp().notNull().defaultNow(),
        updated_at: timestamp().notNull().defaultNow(),
      },
      (t) => [
        unique("saved_views_name").on(t.resource, t.scope, t.name),
        index("saved_views_user").on(t.user_id),
      ],
    ),
  );
  /** The view that somebody's list begins with. */
  const savedViewDefaults = () =>
    table(
      "saved_view_defaults",
      {
        user_id: references(() => users().id, { onDelete: "cascade" }).notNull(),
        resource: resource(),
        view_id: references(() => savedViews().id, { onDelete: "cascade" }).notNull(),
      },
      (t) => [
        primaryKey({ columns: [t.user_id, t.resource] }),
        index("saved_view_defaults_view").on(t.view_id),
      ],
    );
  return { savedViews, savedViewDefaults };
}
