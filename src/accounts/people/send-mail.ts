import type { Transaction } from "../../db/contract/database.ts";

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
