import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { TableFunction } from "./tables.ts";

/** Where a mail is on its way. */
export const MAIL_STATES = [
  "waiting", // for its turn, for its next try, or for its recipient to have had fewer of late
  "sending", // its end may have been sent already, and what the server has said isn't noted yet
  "sent", // the server has taken it
  "failed", // refused for good, or tried too often
  "unknown", // it was being sent when the process ended, or the server was silent: it isn't sent again by itself
  "logged", // there is no server: the log says what would have been sent
  "cancelled",
] as const;
export type MailState = (typeof MAIL_STATES)[number];

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the table of mails: what is to be sent, and what has become of what was. */
export function createMails({ enumOf, index, integer, table, text, timestamp, uuid, varchar }: Schema) {
  return table(
    "mails",
    {
      id: uuid().primaryKey(),
      /** Whose it is; "core" for the core's own. */
      plugin: varchar(64).notNull(),
      template: varchar(128).notNull(),
      language: varchar(8).notNull(),
      recipient: varchar(255).notNull(),
      subject: varchar(255).notNull(),
      state: enumOf(MAIL_STATES).notNull(),
      /** Its text and HTML, sealed: links in them may let somebody in. Null once it is sent. */
      content: text(),
      /** How many tries have begun. */
      attempts: integer().notNull().default(0),
      /** The job that has claimed it; no other may send it. */
      job_id: uuid(),
      claimed_at: timestamp(),
      /** What the server said when it took it. */
      response: varchar(255),
      /** Why the last try failed. */
      error: text(),
      created_at: timestamp().notNull().defaultNow(),
      /** When it is tried again. */
      due_at: timestamp(),
      /** From when on it is of no use any more. */
      expires_at: timestamp(),
      ended_at: timestamp(),
    },
    (t) => [
      index("mails_state").on(t.state, t.id),
      index("mails_recipient").on(t.recipient, t.claimed_at),
      index("mails_ended").on(t.ended_at),
    ],
  );
}
