import type { Transaction } from "../../db/contract/database.ts";
import { AppError } from "../../errors/errors.ts";

/** Where mail of this server arrives: without one that sends it, on the terminal in debug mode. */
export type MailArrival = "mailbox" | "terminal" | "nowhere";

/** A mail to somebody with an account, or to whoever is to have one. */
export interface AccountMail {
  /** One address, normalized. */
  readonly to: string;
  /** The template `mail/<template>.html` of the core, which a project may override. */
  readonly template: string;
  readonly data?: Readonly<Record<string, unknown>>;
  /** Such as "fr". @default that of the account with this address, else English */
  readonly language?: string;
  /** From when on it is of no use, in seconds. @default it always is */
  readonly expiresIn?: number;
}

/** Sends a mail if and only if the transaction commits that it is part of. */
export type SendMail = (mail: AccountMail, options: { readonly tx: Transaction }) => Promise<unknown>;

/** Codes of a template that a project has put in the place of ours, and that can't be used. */
const BROKEN_TEMPLATE = new Set(["template_failed", "template_not_found"]);

/**
 * Whether an error says that a mail can't be made, of an address or by a template: whoever only tells of something goes on without.
 * Nothing was written to the database then.
 */
export function isUnsendable(error: unknown): error is AppError {
  return error instanceof AppError && (error.status < 500 || BROKEN_TEMPLATE.has(error.code));
}
