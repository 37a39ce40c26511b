import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { Users } from "./core-tables.ts";
import type { TableFunction } from "./tables.ts";

/** What a link of a mail may be for. */
export const LINK_PURPOSES = [
  "reset_password",
  "verify_email",
  "change_email",
  "undo_email_change",
  "report_change", // "this wasn't me"
  "keep_account", // which was to be deleted
] as const;
export type LinkPurpose = (typeof LINK_PURPOSES)[number];

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the table of links that were sent to the owners of accounts, each for one use. */
export function createAccountLinks(
  { enumOf, index, json, references, table, timestamp, varchar }: Schema,
  users: Users,
) {
  return table(
    "account_links",
    {
      /** SHA-256 of its token. */
      id: varchar(64).primaryKey(),
      user_id: references(() => users().id, { onDelete: "cascade" }).notNull(),
      purpose: enumOf(LINK_PURPOSES).notNull(),
      /** SHA-256 of what has to be as it was for the link to count; null where nothing has to. */
      bound_hash: varchar(64),
      /** What it is about besides, such as the email that it confirms. */
      data: json<Readonly<Record<string, string>>>().notNull(),
      created_at: timestamp().notNull().defaultNow(),
      expires_at: timestamp().notNull(),
    },
    (t) => [
      index("account_links_user").on(t.user_id, t.purpose),
      index("account_links_expiry").on(t.expires_at),
    ],
  );
}
