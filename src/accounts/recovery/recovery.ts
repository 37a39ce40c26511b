import { and, eq, gt, isNull } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import { type AccountLinks, linkInvalid, toCredentialState } from "../links/links.ts";
import { liftLocks } from "../login/lockout.ts";
import { SHORT_FOR_ADMINISTRATOR } from "../login/password-rules.ts";
import type { Passwords } from "../login/passwords.ts";
import type { Notices } from "../notices/notices.ts";
import { writeAudit } from "../people/audit.ts";
import type { SendMail } from "../people/send-mail.ts";
import type { CoreStore } from "../people/store.ts";
import {
  type Account,
  findAccount,
  findAccountByEmail,
  lockUser,
  toPasswordColumns,
} from "../people/users.ts";
import { readUserGrants } from "../rights/access.ts";
import { EVERYTHING, lockAdministration } from "../rights/builtin-roles.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { endWaysIn, isUnproven } from "./unproven.ts";

const MINUTE_MS = 60_000;
/** How long a link is good for. */
export const LINK_SECONDS = 30 * 60;
const LIFETIME_MS = LINK_SECONDS * 1000;
/**
 * How old the last link of an account has to be for another mail, by how many are good. Whoever asks again and again for
 * somebody else fills no mailbox, and doesn't keep the owner out either: the last link is good for 20 minutes more at least.
 */
const GAPS_MS = [0, MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS] as const;

export interface RecoveryOptions {
  readonly store: CoreStore;
  readonly links: AccountLinks;
  readonly passwords: Pick<Passwords, "choose">;
  readonly sessions: Pick<Sessions, "endAll">;
  readonly notices: Pick<Notices, "tell">;
  readonly sendMail: SendMail;
  /** @default Date.now */
  readonly now?: () => number;
}

/** What a reset is asked for with. */
export interface Reset {
  readonly token: string;
  readonly new_password: string;
  /** Whether the API keys of the account end too. @default false */
  readonly revoke_api_keys?: boolean | undefined;
}

/** What its page shows of a link that is good. */
export interface Resettable {
  readonly email: string;
  /** Whether its owner may do everything, which asks for a longer password. */
  readonly isAdministrator: boolean;
  readonly hasApiKeys: boolean;
}

/** Gives accounts back to their owners: a link of a mail lets them set another password, once. */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #now: () => number;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Sends a link to the owner of an account, if there is one. To be done after the answer: neither that nor its time tells
   * anything then.
   *
   * @param email normalized
   */
  async send(email: string, origin: Origin): Promise<void> {
    const { store, links, sendMail } = this.#options;
    const { db, tables } = store;
    const found = await findAccountByEmail(store, email);
    if (found === null) return;
    await db.transaction(async (tx) => {
      await lockUser(tx, tables, found.id);
      const account = await findAccount({ db: tx, tables }, found.id);
      if (account === null || !isRecoverable(account) || !(await this.#isDue(tx, account.id))) return;
      const token = await links.issue(tx, {
        purpose: "reset_password",
        userId: account.id,
        lifetimeMs: LIFETIME_MS,
        boundTo: toCredentialState(account),
      });
      const language = account.language ?? origin.language;
      const data = { token, account: account.email, minutes: LIFETIME_MS / MINUTE_MS };
      await sendMail(
        {
          // As it is kept, not as it was asked for.
          to: account.email,
          template: "reset-password",
          data,
          expiresIn: LINK_SECONDS,
          ...(language !== undefined && { language }),
        },
        { tx },
      );
      const target = { type: "user", id: account.id };
      await writeAudit(tx, tables, { action: "user.recovery_requested", target, origin });
    });
  }

  /** Looks up what a link would do; changes nothing. @throws AppError link_invalid */
  async read(token: string): Promise<Resettable> {
    const { store } = this.#options;
    const { db, tables } = store;
    const { id, email } = await this.#findOwner(token);
    const { apiKeys } = tables;
    const grants = await readUserGrants(store, id);
    const keys = and(eq(apiKeys.user_id, id), isNull(apiKeys.revoked_at));
    return {
      email,
      isAdministrator: grants.includes(EVERYTHING),
      hasApiKeys: (await db.$count(apiKeys, keys)) > 0,
    };
  }

  /**
   * Sets another password by a link, ends all sessions and lets in again whose account was locked. The second factor stays:
   * nobody is signed in by it. Where somebody else may have registered the account, all else that lets them in ends too.
   *
   * @throws AppError link_invalid; validation_error for the password, and the link stays good then
   */
  async reset({ token, new_password, revoke_api_keys = false }: Reset, origin: Origin): Promise<void> {
    const { store, links, passwords, sessions, notices } = this.#options;
    const { tables } = store;
    const owner = await this.#findOwner(token);
    const isAdministrator = (await readUserGrants(store, owner.id)).includes(EVERYTHING);
    const choice = { email: owner.email, isAdministrator, field: "new_password" };
    const password = await passwords.choose(new_password, choice);
    const work = async (tx: Transaction): Promise<void> => {
      // Roles may go with what is unlinked.
      await lockAdministration(tx, tables);
      await lockUser(tx, tables, owner.id);
      const link = await links.take(tx, "reset_password", token);
      const account = await findAccount({ db: tx, tables }, owner.id);
      if (account === null || !isRecoverable(account) || !link.holdsFor(toCredentialState(account)))
        throw linkInvalid();
      const mayDoEverything = (await readUserGrants({ db: tx, tables }, account.id)).includes(EVERYTHING);
      if (mayDoEverything && !password.isLong)
        throw fail("conflict", `Cannot use the password: ${SHORT_FOR_ADMINISTRATOR}`);
      const at = new Date(this.#now());
      const was_unproven = await isUnproven({ db: tx, tables }, account);
      const ways = was_unproven ? await endWaysIn(tx, store, account, { at, origin }) : 0;
      await tx
        .update(tables.users)
        .set({
          ...toPasswordColumns(password),
          locked_at: null,
          // Its mail has reached them.
          email_verified_at: account.email_verified_at ?? at,
          must_verify_email: false,
        })
        .where(eq(tables.users.id, account.id));
      // Who has got into the account may have asked for another email: that is void too.
      await links.revoke(tx, account.id, ["reset_password", "change_email"]);
      // Guesses at passwords were at another one. Those at codes still count: the mailbox alone must not open the way to more.
      await liftLocks(tx, tables, account.email, ["password"]);
      const ended = await sessions.endAll(tx, account.id);
      const revoked = revoke_api_keys ? await this.#revokeKeys(tx, account.id, at) : ways;
      const target = { type: "user", id: account.id };
      const after = {
        sessions: ended,
        api_keys: revoked,
        was_locked: account.locked_at !== null,
        was_unproven,
      };
      await writeAudit(tx, tables, { action: "user.password_reset", actor: account, target, origin, after });
      await notices.tell(tx, { kind: "password_reset", userId: account.id, origin });
    };
    await store.db.transaction(work, { isolation: "read committed", retries: 3 });
  }

  /** Whether the links of an account are few and old enough for another one. */
  async #isDue(tx: Transaction, userId: number): Promise<boolean> {
    const { user_id, purpose, expires_at } = this.#options.store.tables.accountLinks;
    const now = this.#now();
    const good = await tx
      .select({ expires_at })
      .from(this.#options.store.tables.accountLinks)
      .where(and(eq(user_id, userId), eq(purpose, "reset_password"), gt(expires_at, new Date(now))));
    const sentAt = Math.max(0, ...good.map((link) => link.expires_at.getTime() - LIFETIME_MS));
    return now - sentAt >= (GAPS_MS[good.length] ?? GAPS_MS[3]);
  }

  /** @throws AppError link_invalid */
  async #findOwner(token: string): Promise<Account> {
    const { store, links } = this.#options;
    const link = await links.find("reset_password", token);
    const account = await findAccount(store, link.userId);
    if (account === null || !isRecoverable(account) || !link.holdsFor(toCredentialState(account)))
      throw linkInvalid();
    return account;
  }

  async #revokeKeys(tx: Transaction, userId: number, at: Date): Promise<number> {
    const { apiKeys } = this.#options.store.tables;
    const own = and(eq(apiKeys.user_id, userId), isNull(apiKeys.revoked_at));
    return (await tx.update(apiKeys).set({ revoked_at: at }).where(own)).rowsAffected;
  }
}

/** Who was kept out by an administrator stays out; who is locked for recovery comes back by it. */
function isRecoverable({ is_active }: Account): boolean {
  return is_active;
}
