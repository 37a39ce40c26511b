import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { Users } from "./core-tables.ts";
import type { TableFunction } from "./tables.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the table of invitations that are open: one that was accepted or taken back isn't there any more. */
export function createInvitations(
  { boolean, id, index, json, references, table, timestamp, varchar }: Schema,
  users: Users,
) {
  return table(
    "invitations",
    {
      id: id(),
      /** Normalized: see `normalizeEmail` in src/accounts/people. One at a time. */
      email: varchar(255).notNull().unique(),
      /** SHA-256 of the token of the link that was sent last. */
      token_hash: varchar(64).notNull().unique(),
      /** Ids of the roles that the account is to hold; some may be gone by then. */
      roles: json<readonly number[]>().notNull(),
      /** Whose rights it is given with; null for the command line. */
      invited_by: references(() => users().id, { onDelete: "cascade" }),
      /** Whether the link went by mail: whoever follows it has the address then. */
      is_mailed: boolean().notNull(),
      sent_at: timestamp().notNull(),
      expires_at: timestamp().notNull(),
      created_at: timestamp().notNull().defaultNow(),
    },
    (t) => [index("invitations_inviter").on(t.invited_by), index("invitations_expiry").on(t.expires_at)],
  );
}
