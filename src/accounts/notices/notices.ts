import type { Logger } from "pino";
import type { Transaction } from "../../db/contract/database.ts";
import type { SecretKey } from "../keys/secret.ts";
import type { Origin } from "../identity/principal.ts";
import type { AccountLinks } from "../links/links.ts";
import type { SendMail } from "../people/send-mail.ts";
import type { CoreStore } from "../people/store.ts";
import { type Account, findAccount } from "../people/users.ts";

/** What the owner of an account is told of by mail. */
export type NoticeKind =
  | "new_device"
  | "password_changed"
  | "password_removed"
  | "password_reset"
  | "email_changed"
  | "factor_added"
  | "factor_removed"
  | "factors_reset"
  | "recovery_codes_made"
  | "code_reused"
  | "passkey_copied"
  | "provider_linked"
  | "provider_unlinked"
  | "deletion_cancelled"
  | "api_key_created"
  | "api_key_revoked";

/** Something that was done to an account. */
export interface Notice {
  readonly kind: NoticeKind;
  readonly userId: number;
  /** The session that it was done in, which ends where its owner says that it wasn't them. @default none */
  readonly sessionId?: string | null | undefined;
  /** Where it was done from. @default not told */
  readonly origin?: Origin | undefined;
  /** Whether somebody else has done it, who administers accounts. @default false */
  readonly isByAdministrator?: boolean;
  /** What the owner calls what it is about, such as a device. @default not told */
  readonly name?: string;
  /** Where the mail goes. @default the email of the account, as the transaction sees it */
  readonly to?: string;
  /** Path of this server, with its query, of a page that undoes it. @default there is none */
  readonly undoPath?: string;
}

/** Tells the owners of accounts what was done to these. Each mail has a link by which they say that it wasn't them. */
export interface Notices {
  /** Tells of a change, if and only if the transaction commits that it is part of. */
  tell(tx: Transaction, notice: Notice): Promise<void>;
  /** Tells of a login, where it is from a device that the account wasn't logged in from before. To come before its entry in the audit log. */
  tellOfLogin(
    tx: Transaction,
    account: Account,
    login: { readonly sessionId: string; readonly origin: Origin },
  ): Promise<void>;
  /**
   * Tells that somebody who knows the password has given a code that was used already: they have seen it. Not where that was from a
   * device that the account was logged in from before, for forms are sent twice.
   */
  tellOfReuse(tx: Transaction, userId: number, origin: Origin): Promise<void>;
  /** Returns by what a browser is known from now on to which an account was logged in; null where nobody is told. @param marks by what it was */
  markDevice(userId: number, marks: string): Promise<string | null>;
}

/** For whom nobody is to be told. */
export const NO_NOTICES: Notices = {
  async tell() {},
  async tellOfLogin() {},
  async tellOfReuse() {},
  markDevice: async () => null,
};

export interface NoticesOptions {
  readonly store: CoreStore;
  readonly links: AccountLinks;
  readonly secretKey: SecretKey;
  readonly sendMail: SendMail;
  readonly log: Logger;
}

/** Creates what tells owners; most of it is loaded for the first of them. */
export function createNotices(options: NoticesOptions): Notices {
  return {
    async tell(tx, notice) {
      const { tell } = await import("./telling.ts");
      await tell(options, tx, notice);
    },
    async tellOfLogin(tx, account, { sessionId, origin }) {
      // There is nobody to tell of the first one: who logs in has just made the account.
      if (account.last_login_at === null) return;
      const { isKnownDevice } = await import("./known-devices.ts");
      if (await isKnownDevice(options, tx, account, origin)) return;
      await this.tell(tx, { kind: "new_device", userId: account.id, sessionId, origin });
    },
    async tellOfReuse(tx, userId, origin) {
      const account = await findAccount({ db: tx, tables: options.store.tables }, userId);
      if (account === null) return;
      const { isKnownDevice } = await import("./known-devices.ts");
      if (await isKnownDevice(options, tx, account, origin)) return;
      await this.tell(tx, { kind: "code_reused", userId, origin });
    },
    async markDevice(userId, marks) {
      const account = await findAccount(options.store, userId);
      if (account === null) return null;
      const { addMark } = await import("./known-devices.ts");
      return addMark(options.secretKey, marks, account);
    },
  };
}
