import type { Transaction } from "../db/contract/database.ts";
import type { MailMessage } from "../mail/mail.ts";

export type { MailMessage } from "../mail/mail.ts";

/** Makes mails part of a transaction. */
export interface MailOptions<Tx = Transaction> {
  /** They are sent if and only if it commits. */
  readonly tx?: Tx;
}

/** Mail that is sent in the background, from templates of the plugin: see docs/mail.md. */
export interface PluginMail<Tx = Transaction> {
  /**
   * Sends a mail made from `templates/mail/<template>.html` of the plugin, or from one of xcore's: it is rendered now, and
   * handed over soon, as often as it takes.
   *
   * @returns its id
   * @throws AppError validation_error for what is no address, template_not_found, template_failed
   * @throws TypeError, RangeError for a message that can't be
   *
   * @example await mail.send({ to: user.email, template: "welcome", data: { name: user.full_name } }, { tx });
   */
  send(message: MailMessage, options?: MailOptions<Tx>): Promise<string>;
  /** Sends mails, all or none; returns their ids. @throws as `send` */
  sendMany(messages: readonly MailMessage[], options?: MailOptions<Tx>): Promise<string[]>;
}
