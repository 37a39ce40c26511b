import { and, desc, eq, type SQL, sql } from "drizzle-orm";
import type { CoreStore } from "../accounts/people/store.ts";
import { parseEmail } from "../accounts/people/emails.ts";
import { type Page, type PageQuery, paginate } from "../db/paging/paginate.ts";
import { fail } from "./contract/error-codes.ts";
import type { Mail } from "./mail.ts";
import { type MailState, SENDABLE } from "./contract/records.ts";
import { type MailAnswer, toAnswer } from "./answers.ts";

export { MAIL_STATES } from "./contract/records.ts";
export type { MailAnswer } from "./answers.ts";

/** Which mails are asked for. */
export interface MailFilter {
  readonly state?: MailState | undefined;
  readonly plugin?: string | undefined;
  readonly to?: string | undefined;
}

/** What people see of mail, and do about it. */
export class MailDesk {
  readonly #mail: Mail;
  readonly #store: CoreStore;

  constructor(mail: Mail, store: CoreStore) {
    this.#mail = mail;
    this.#store = store;
  }

  /** A page of mails, the newest first. */
  async list({ state, plugin, to }: MailFilter, query: PageQuery): Promise<Page<MailAnswer>> {
    const { mails } = this.#store.tables;
    const wanted = [
      state === undefined ? undefined : eq(mails.state, state),
      plugin === undefined ? undefined : eq(mails.plugin, plugin),
      to === undefined ? undefined : eq(mails.recipient, parseEmail(to) ?? to),
    ];
    const found = await paginate(this.#select(and(...wanted)).orderBy(desc(mails.id)), query, {
      sort: { id: mails.id, created_at: mails.id },
    });
    return { ...found, items: found.items.map(toAnswer) };
  }

  /** @throws AppError not_found */
  async read(id: string): Promise<MailAnswer> {
    const [row] = await this.#select(eq(this.#store.tables.mails.id, id));
    if (row === undefined) throw fail("not_found", `Cannot find mail "${id}": there is none`);
    return toAnswer(row);
  }

  /** Sends a mail again, or at once. @throws AppError not_found, mail_not_kept for one that was sent or is being sent */
  async resend(id: string): Promise<void> {
    const { state, can_resend: isKept } = await this.read(id);
    if (isKept && (await this.#mail.resend(id, [...SENDABLE]))) return;
    throw fail("mail_not_kept", `Cannot send mail "${id}" again: it is ${state}`);
  }

  /** Cancels a mail that waits. @throws AppError not_found, mail_not_waiting */
  async cancel(id: string): Promise<void> {
    const { state } = await this.read(id);
    if (await (await this.#mail.outbox()).cancel(id)) return;
    throw fail("mail_not_waiting", `Cannot cancel mail "${id}": it is ${state}`);
  }

  /** Without what they say, which may be much. */
  #select(where: SQL | undefined) {
    const { mails } = this.#store.tables;
    return this.#store.db
      .select({
        id: mails.id,
        plugin: mails.plugin,
        template: mails.template,
        language: mails.language,
        recipient: mails.recipient,
        subject: mails.subject,
        state: mails.state,
        isKept: sql<boolean>`${mails.content} is not null`.mapWith(Boolean),
        attempts: mails.attempts,
        job_id: mails.job_id,
        claimed_at: mails.claimed_at,
        response: mails.response,
        error: mails.error,
        created_at: mails.created_at,
        due_at: mails.due_at,
        expires_at: mails.expires_at,
        ended_at: mails.ended_at,
      })
      .from(mails)
      .where(where);
  }
}
