import type { CoreTables, MailState } from "../../db/schema/core-tables.ts";
import type { RenderedMail } from "../../templates/templates.ts";

export { MAIL_STATES, type MailState } from "../../db/schema/core-tables.ts";

export type MailRow = CoreTables["mails"]["$inferSelect"];

/** A mail that is to be sent. */
export interface MailMessage {
  /** One address, such as "ada@example.com". */
  readonly to: string;
  /** The template `mail/<template>.html`. */
  readonly template: string;
  /** What the template is rendered with. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** Such as "fr". @default that of the account with this address, else English */
  readonly language?: string;
  /** From when on it is of no use, in seconds: it isn't sent after that. @default it always is */
  readonly expiresIn?: number;
}

/** Whose mails they are, and how their templates are rendered. */
export interface MailOwner {
  /** The plugin, or "core". */
  readonly plugin: string;
  render(
    template: string,
    data: Readonly<Record<string, unknown>>,
    language: string | null,
  ): Promise<RenderedMail>;
}

/** What a mail says, as it is kept sealed. */
export interface MailContent {
  readonly text: string;
  readonly html: string;
}

/** States in which nobody works on a mail, and what it says is still kept. */
export const SENDABLE: readonly MailState[] = ["waiting", "failed", "unknown", "logged", "cancelled"];
