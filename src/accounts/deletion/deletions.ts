import { and, eq, isNull } from "drizzle-orm";
import type { Logger } from "pino";
import { invalidRequest } from "../../errors/codes.ts";
import type { HookBus } from "../../hooks/bus.ts";
import { toLanguage } from "../email/verification.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import type { ConfirmOwner, SessionOwner } from "../identity/session-owner.ts";
import { assertStanding } from "../identity/standing.ts";
import { KEEP, keepAccount } from "../links/keeping.ts";
import { type AccountLinks, linkInvalid } from "../links/links.ts";
import { writeAudit } from "../people/audit.ts";
import { parseEmail } from "../people/emails.ts";
import type { SendMail } from "../people/send-mail.ts";
import type { CoreStore } from "../people/store.ts";
import { findAccount, lockUser } from "../people/users.ts";
import { lockAdministration, rankAdministration } from "../rights/builtin-roles.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { findObjection } from "./asking.ts";
import { deleteDue, tryToSend } from "./due.ts";

const DAY_MS = 86_400_000;
/** How long an owner may change their mind. */
const GRACE_MS = 14 * DAY_MS;

export interface DeletionsOptions {
  readonly store: CoreStore;
  readonly hooks: HookBus;
  readonly links: AccountLinks;
  readonly sessions: Pick<Sessions, "endAll">;
  readonly confirmOwner: ConfirmOwner;
  readonly sendMail: SendMail;
  readonly log: Logger;
  /** @default Date.now */
  readonly now?: () => number;
}

/** What an owner says who wants their account deleted. */
export interface DeletionRequest {
  /** Of the account, as a confirmation. */
  readonly email: string;
  /** May be left out by who has shown a short while ago that it is them. */
  readonly current_password?: string | undefined;
}

/** An account that is to be deleted, as the page of a link shows it. */
export interface Leaving {
  readonly email: string;
  readonly deletionAt: Date;
}

/** Accounts that their owners want deleted: 14 days later they are, unless somebody has kept them. */
export class Deletions {
  readonly #options: DeletionsOptions;
  readonly #now: () => number;

  constructor(options: DeletionsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Has an account deleted in 14 days. It can't be used until then, but to keep it: its sessions and API keys end.
   *
   * @throws AppError validation_error for another email
   * @throws AppError deletion_refused with the reason of a plugin, and for the last administrator
   * @throws AppError what `ConfirmOwner` throws
   */
  async request(owner: SessionOwner, { email, current_password: password }: DeletionRequest): Promise<Date> {
    const { store, hooks, links, sessions, confirmOwner } = this.#options;
    const { tables } = store;
    const { user, sessionId, origin } = owner;
    const action = "user.deletion_requested";
    await confirmOwner(owner, { password, action });
    const account = await findAccount(store, user.id);
    if (account === null || parseEmail(email) !== account.email) throw otherEmail();
    const deletionAt = new Date(this.#now() + GRACE_MS);
    const objection = await findObjection(hooks, account, { phase: "request", deletionAt });
    if (objection !== null) await this.#refuse(owner, action, objection.reason);
    const target = { type: "user", id: user.id };
    try {
      await store.db.transaction(
        async (tx) => {
          await lockAdministration(tx, tables);
          const actor = await lockUser(tx, tables, user.id);
          await assertStanding(tx, tables, { userId: user.id, sessionId }, this.#now());
          const rank = await rankAdministration({ db: tx, tables });
          await tx.update(tables.users).set({ deletion_at: deletionAt }).where(eq(tables.users.id, user.id));
          if ((await rankAdministration({ db: tx, tables })) < rank) throw new LastAdministrator();
          await sessions.endAll(tx, user.id);
          const isGood = and(eq(tables.apiKeys.user_id, user.id), isNull(tables.apiKeys.revoked_at));
          await tx
            .update(tables.apiKeys)
            .set({ revoked_at: new Date(this.#now()) })
            .where(isGood);
          const asked = { purpose: KEEP, userId: user.id, lifetimeMs: GRACE_MS } as const;
          const token = await links.issue(tx, asked);
          const day = deletionAt.toISOString().slice(0, 10);
          const mail = { to: actor.email, template: "deletion-requested", data: { token, day } };
          const language = toLanguage(account.language, origin);
          await tryToSend(this.#options, tx, { ...mail, ...language, expiresIn: GRACE_MS / 1000 });
          const after = { deletion_at: deletionAt.toISOString() };
          await writeAudit(tx, tables, { action, actor, target, origin, after });
        },
        { isolation: "read committed", retries: 3 },
      );
    } catch (error) {
      if (!(error instanceof LastAdministrator)) throw error;
      await this.#refuse(owner, action, "Nobody else may do everything: make another administrator first");
    }
    return deletionAt;
  }

  /** Looks up what a link keeps; changes nothing. @throws AppError link_invalid */
  async read(token: string): Promise<Leaving> {
    const { store, links } = this.#options;
    const { userId } = await links.find(KEEP, token);
    const account = await findAccount(store, userId);
    if (account === null || account.deletion_at === null) throw linkInvalid();
    return { email: account.email, deletionAt: account.deletion_at };
  }

  /** Keeps an account by a link; its owner logs in anew. @throws AppError link_invalid */
  async keep(token: string, origin: Origin): Promise<void> {
    const { store, links } = this.#options;
    const { userId } = await links.find(KEEP, token);
    await store.db.transaction(async (tx) => {
      const actor = await lockUser(tx, store.tables, userId);
      await links.take(tx, KEEP, token);
      if (!(await keepAccount(tx, store.tables, userId))) throw linkInvalid();
      const target = { type: "user", id: userId };
      await writeAudit(tx, store.tables, { action: "user.deletion_cancelled", actor, target, origin });
    });
  }

  /** As `deleteDue` of due.ts. */
  deleteDue(signal: AbortSignal): Promise<number> {
    return deleteDue(this.#options, signal);
  }

  async #refuse({ user, origin }: SessionOwner, action: string, reason: string): Promise<never> {
    const { store } = this.#options;
    const target = { type: "user", id: user.id };
    const entry = { action, actor: user, target, origin, after: { reason }, result: "refused" } as const;
    await writeAudit(store.db, store.tables, entry);
    throw fail("deletion_refused", `Cannot delete your account: ${reason}`);
  }
}

class LastAdministrator extends Error {}

function otherEmail() {
  const message = "Expected the email of your account, to confirm that you mean it";
  return invalidRequest([{ path: "/body/email", code: "invalid", message }]);
}
