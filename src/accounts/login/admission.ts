import { and, eq, isNull, sql } from "drizzle-orm";
import { whereOpen } from "../identity/standing.ts";
import type { Transaction } from "../../db/contract/database.ts";
import type { AppError } from "../../errors/errors.ts";
import type { HookBus } from "../../hooks/bus.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import { unauthenticated } from "../identity/principals.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import { NO_NOTICES, type Notices } from "../notices/notices.ts";
import { writeAudit } from "../people/audit.ts";
import type { CoreStore } from "../people/store.ts";
import type { Account } from "../people/users.ts";
import type { NewSession } from "../sessions/sessions.ts";
import type { Lockout } from "./lockout.ts";
import type { SecondFactors } from "./login.ts";

export interface AdmissionOptions<Held> {
  readonly store: CoreStore;
  /** Adds a session within the transaction of its login, and returns what is held of it: tokens, or a cookie. */
  readonly issue: (tx: Transaction, session: NewSession) => Promise<Held>;
  readonly secondFactors: Pick<SecondFactors, "isEnabled">;
  readonly lockout: Pick<Lockout, "forgive">;
  readonly hooks: HookBus;
  /** Whether those wait who have registered and are yet to verify their email. @default false */
  readonly requiresVerifiedEmail?: boolean;
  /** @default nobody is told */
  readonly notices?: Notices;
  /** @default Date.now */
  readonly now?: () => number;
}

/** What somebody has shown who is let in. */
export interface Entry {
  /** Whether that was two factors. */
  readonly hasOtp: boolean;
  /** What the audit log says of it. @default nothing */
  readonly details?: Readonly<Record<string, unknown>>;
  /** How their session differs from others. @default not at all */
  readonly session?: Pick<NewSession, "endsAt" | "identifiedAt">;
  /** Notes what belongs to the session, within its transaction. @default nothing does */
  readonly note?: (tx: Transaction, sessionId: string) => Promise<void>;
}

/** Lets people in who have shown who they are, by whatever means. */
export class Admission<Held> {
  readonly #options: AdmissionOptions<Held>;
  readonly #now: () => number;

  constructor(options: AdmissionOptions<Held>) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Adds a session for who has shown that the account is theirs.
   *
   * @param account as it was when they did
   * @throws AppError invalid_credentials, authentication_error when it has changed since
   * @throws AppError deletion_pending with what keeps an account that is to be deleted
   * @throws AppError email_unverified; authorization_error when a hook cancels it
   */
  async admit(account: Account, origin: Origin, { hasOtp, details, session, note }: Entry): Promise<Held> {
    const { store, issue, lockout, secondFactors, notices = NO_NOTICES } = this.#options;
    const { users } = store.tables;
    if (account.deletion_at !== null) {
      const { toDeletionPending } = await import("../links/keeping.ts");
      throw await toDeletionPending(store, account.id, account.deletion_at);
    }
    const id = crypto.randomUUID();
    await this.#assertVerified(account, origin);
    await this.#askHooks(account, { id, hasOtp, origin });
    return store.db.transaction(
      async (tx) => {
        const { rowsAffected } = await tx
          .update(users)
          .set({
            last_login_at: new Date(this.#now()),
            updated_at: sql`${users.updated_at}`, // stays: nobody has edited the account
          })
          .where(
            and(
              eq(users.id, account.id),
              whereOpen(store.tables),
              account.password_hash === null
                ? isNull(users.password_hash)
                : eq(users.password_hash, account.password_hash),
            ),
          );
        // Deactivated, or given another password, while this one was checked.
        if (rowsAffected === 0) throw invalidCredentials();
        // Two factors may have been turned on, which has ended all sessions with one.
        if (!hasOtp && (await secondFactors.isEnabled(account.id, tx))) throw tooLate();
        await lockout.forgive(tx, { name: account.email, ipAddress: origin.ipAddress });
        await notices.tellOfLogin(tx, account, { sessionId: id, origin });
        const target = { type: "session", id };
        const entry = { action: "user.login", actor: account, target, origin };
        await writeAudit(tx, store.tables, { ...entry, ...(details && { after: details }) });
        const held = await issue(tx, { id, userId: account.id, hasOtp, origin, ...session });
        await note?.(tx, id);
        return held;
      },
      { retries: 3 },
    );
  }

  async #assertVerified(account: Account, origin: Origin): Promise<void> {
    const { requiresVerifiedEmail = false } = this.#options;
    if (!requiresVerifiedEmail || !account.must_verify_email) return;
    const reason =
      "Your email is yet to be verified: follow the link that was mailed to you, or have it sent again";
    await this.#noteRefusal(account, origin, reason);
    throw fail("email_unverified", reason);
  }

  async #askHooks(
    account: Account,
    { id, hasOtp, origin }: { id: string; hasOtp: boolean; origin: Origin },
  ): Promise<void> {
    const { hooks } = this.#options;
    const { cancelled, cancel_reason } = await hooks.emit("user.login", {
      user: { id: account.id, email: account.email, full_name: account.full_name },
      session_id: id,
      has_otp: hasOtp,
      ip_address: origin.ipAddress,
      user_agent: origin.userAgent,
    });
    if (!cancelled) return;
    await this.#noteRefusal(account, origin, cancel_reason);
    throw fail("authorization_error", cancel_reason ?? "This login is refused");
  }

  async #noteRefusal(account: Account, origin: Origin, reason: string | null): Promise<void> {
    const { store } = this.#options;
    const target = { type: "user", id: account.id };
    const entry = { action: "user.login", actor: account, target, origin, after: { reason } };
    await writeAudit(store.db, store.tables, { ...entry, result: "refused" });
  }
}

/** Tells an account with its password from the same one with another; says nothing of it, for the hash has a salt. */
export function toFingerprint({ password_hash }: Pick<Account, "password_hash">): string {
  return hashToken(password_hash ?? "").slice(0, 16);
}

/** The answer to every way of not being let in: which of them it is would tell of accounts. */
export function invalidCredentials(): AppError {
  return fail("invalid_credentials", "The email, the password or the code is wrong");
}

/** The answer to a login whose account has changed since it was begun. */
export function tooLate(): AppError {
  return unauthenticated("The login took too long, or isn't valid: start again");
}
