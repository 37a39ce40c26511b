import { and, eq } from "drizzle-orm";
import { isUnlocked } from "../identity/standing.ts";
import { AppError } from "../../errors/errors.ts";
import type { LoginFailure } from "../../hooks/events.ts";
import type { OtpTokens } from "../identity/access-tokens.ts";
import { toAddressKey } from "../../web/clients/site.ts";
import {
  Admission,
  type AdmissionOptions,
  type Entry,
  invalidCredentials,
  toFingerprint,
  tooLate,
} from "./admission.ts";
import type { AuthLimits } from "./attempt-limits.ts";
import { writeAudit } from "../people/audit.ts";
import { parseEmail } from "../people/emails.ts";
import type { Attempted, Candidate, Lockout } from "./lockout.ts";
import type { Database } from "../../db/contract/database.ts";
import { isLongPassword } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import type { Origin } from "../identity/principal.ts";
import type { SessionOwner } from "../identity/session-owner.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { PasskeyAnswer, RequestOptions } from "../passkeys/answers.ts";
import type { ChallengeUse } from "../passkeys/challenges.ts";
import type { PasskeyProofs } from "../passkeys/proofs.ts";
import type { RelyingParty } from "../passkeys/relying-party.ts";
import { type Account, findAccount, findAccountByEmail } from "../people/users.ts";

export { Admission, type AdmissionOptions, type Entry, toFingerprint, tooLate } from "./admission.ts";

/** Codes beside the password. */
export interface SecondFactors {
  /** @param db a transaction that looks. @default none */
  isEnabled(userId: number, db?: Pick<Database, "select">): Promise<boolean>;
  /** Whether the code is right; it is not accepted again. */
  verify(userId: number, code: string, origin?: Origin): Promise<boolean>;
}

/** What a right password gets where a code is asked for too. */
export interface OtpChallenge {
  readonly otp_required: true;
  readonly otp_token: string;
  /** In seconds. */
  readonly expires_in: number;
}

export interface LoginOptions<Held> extends AdmissionOptions<Held> {
  readonly passwords: Passwords;
  readonly sessions: Pick<Sessions, "revoke">;
  readonly otpTokens: OtpTokens;
  readonly secondFactors: SecondFactors;
  /** Tells whose passkey has answered. */
  readonly passkeys: Pick<PasskeyProofs, "prove" | "toRequestOptions">;
  readonly lockout: Lockout;
  readonly limits: Pick<AuthLimits, "login" | "otp">;
  /**
   * Returns what a provider's word has begun, by the name that it has in the token of the first step.
   *
   * @throws AppError authentication_error when that was too long ago, or somebody has gone on with it
   * @default no provider begins anything
   */
  readonly readBegun?: (step: string) => Promise<Omit<Entry, "hasOtp">>;
}

/** What somebody logs in with; `email` may be anything. */
export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** An answer of a passkey; with the token of the first step it is the second one. */
export interface PasskeyEntry {
  readonly credential: PasskeyAnswer;
  readonly otp_token?: string | undefined;
}

type Known = Account & { readonly password_hash: string };
type KnownCandidate = Candidate & { readonly account: Account | null };

/**
 * Logs people in: by password, and by a code where a second factor is on. Unknown emails, accounts that are
 * inactive and wrong passwords are told the same after the same time.
 */
export class Login<Held> {
  readonly #options: LoginOptions<Held>;
  readonly #admission: Admission<Held>;

  constructor(options: LoginOptions<Held>) {
    this.#options = options;
    this.#admission = new Admission(options);
  }

  /**
   * @throws AppError invalid_credentials
   * @throws AppError account_locked, rate_limited after too many failures
   * @throws AppError authorization_error when a hook cancels it
   */
  async withPassword({ email, password }: Credentials, origin: Origin): Promise<Held | OtpChallenge> {
    const { store, lockout, limits } = this.#options;
    const address = toAddressKey(origin.ipAddress);
    const giveBack = await limits.login.take(address);
    const normal = parseEmail(email);
    const name = normal ?? email;
    const { ipAddress } = origin;
    const answer = await lockout.takeTurn({ name, ipAddress }, async () => {
      const account = normal === null ? null : await findAccountByEmail(store, normal);
      const candidate = { name, account, ipAddress };
      return this.#attempt("password", candidate, origin, async () => {
        const known = await this.#checkPassword(account, password);
        if (known !== null) return this.#goOn(known, origin);
        const reason =
          account === null ? "unknown_email" : isUnlocked(account) ? "wrong_password" : "inactive";
        return this.#fail(candidate, reason, origin);
      });
    });
    giveBack();
    return answer;
  }

  /**
   * Takes the second step, with what the first one answered.
   *
   * @throws AppError authentication_error when the first step was too long ago, or the password has changed since
   * @throws AppError invalid_credentials for a wrong code
   * @throws AppError account_locked, rate_limited, authorization_error as withPassword
   */
  async withCode({ otp_token, code }: { otp_token: string; code: string }, origin: Origin): Promise<Held> {
    const { secondFactors, lockout, limits } = this.#options;
    const address = toAddressKey(origin.ipAddress);
    const giveBack = await limits.otp.take(address);
    const { email } = await this.#readFirstStep(otp_token);
    const { ipAddress } = origin;
    const pair = await lockout.takeTurn({ name: email, ipAddress }, async () => {
      const account = await this.#readFirstStep(otp_token);
      const candidate = { name: account.email, account, ipAddress };
      return this.#attempt("code", candidate, origin, async () => {
        if (await secondFactors.verify(account.id, code, origin))
          return this.#admission.admit(account, origin, {
            ...(await this.#readBegun(otp_token)),
            hasOtp: true,
          });
        return this.#fail(candidate, "wrong_code", origin);
      });
    });
    giveBack();
    return pair;
  }

  /**
   * Returns what a browser asks a passkey by.
   *
   * @param otpToken of the first step; without it, anybody's passkey is asked for
   * @throws AppError authentication_error as withCode, rate_limited
   */
  async toPasskeyRequest(
    otpToken: string | undefined,
    party: RelyingParty,
    origin: Origin,
  ): Promise<RequestOptions> {
    const { limits, passkeys } = this.#options;
    await limits.otp.take(toAddressKey(origin.ipAddress));
    const first = otpToken === undefined ? null : await this.#readFirstStep(otpToken);
    return passkeys.toRequestOptions({ use: toUse(first), party, userId: first?.id ?? null });
  }

  /**
   * Lets in whose passkey has answered, which is two factors. Nothing can be guessed there: wrong passwords of others lock
   * nobody out.
   *
   * @throws AppError authentication_error as withCode
   * @throws AppError invalid_credentials, rate_limited, authorization_error as withPassword
   */
  async withPasskey(
    { credential, otp_token }: PasskeyEntry,
    party: RelyingParty,
    origin: Origin,
  ): Promise<Held> {
    const { store, limits, passkeys } = this.#options;
    const giveBack = await limits.login.take(toAddressKey(origin.ipAddress));
    const first = otp_token === undefined ? null : await this.#readFirstStep(otp_token);
    const asked = { use: toUse(first), party, userId: first?.id ?? null, origin };
    const { userId, passkeyId } = await passkeys.prove(credential, asked);
    const account =
      otp_token === undefined ? await findAccount(store, userId) : await this.#readFirstStep(otp_token);
    if (account === null || !isUnlocked(account)) throw invalidCredentials();
    const begun = await this.#readBegun(otp_token);
    const details = { ...begun.details, passkey: passkeyId };
    const held = await this.#admission.admit(account, origin, { ...begun, hasOtp: true, details });
    giveBack();
    return held;
  }

  /** Ends a session, and tells the hooks. */
  async logout(owner: SessionOwner): Promise<void> {
    const { sessions, hooks } = this.#options;
    const { user, sessionId, origin } = owner;
    await sessions.revoke(owner, sessionId, "user.logout");
    const { id, email } = user;
    await hooks.emit("user.logout", {
      user: { id, email },
      session_id: sessionId,
      ip_address: origin.ipAddress,
    });
  }

  async #attempt<T>(
    attempted: Attempted,
    candidate: KnownCandidate,
    origin: Origin,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#options.lockout.attempt(attempted, candidate, work);
    } catch (error) {
      if (error instanceof AppError && error.code === "account_locked") {
        await this.#tellFailure(candidate, "locked", origin);
      }
      throw error;
    }
  }

  /** Returns the account when the password is right and it may log in; takes as long when it may not. */
  async #checkPassword(account: Account | null, password: string): Promise<Known | null> {
    const { passwords } = this.#options;
    if (!hasPassword(account)) {
      await passwords.burn(password);
      return null;
    }
    const { isValid, isRehashDue } = await passwords.verify(password, account.password_hash);
    if (!isValid || !isUnlocked(account)) return null;
    if (account.has_long_password === null) await this.#noteLength(account, password);
    return isRehashDue ? this.#rehash(account, password) : account;
  }

  /** The length of a password of another system is known once it is typed. */
  async #noteLength({ id, password_hash }: Known, password: string): Promise<void> {
    const { db, tables } = this.#options.store;
    const { users } = tables;
    await db
      .update(users)
      .set({ has_long_password: isLongPassword(password) })
      .where(and(eq(users.id, id), eq(users.password_hash, password_hash)));
  }

  async #rehash(account: Known, password: string): Promise<Known> {
    const { store, passwords } = this.#options;
    const { users } = store.tables;
    // A password of another system may be shorter than ours have to be.
    const hash = await passwords.hash(password).catch((error: unknown) => {
      if (error instanceof AppError) return null;
      throw error;
    });
    if (hash === null) return account;
    const { rowsAffected } = await store.db
      .update(users)
      .set({ password_hash: hash })
      .where(and(eq(users.id, account.id), eq(users.password_hash, account.password_hash)));
    return rowsAffected === 0 ? account : { ...account, password_hash: hash };
  }

  async #goOn(account: Known, origin: Origin): Promise<Held | OtpChallenge> {
    const { secondFactors, otpTokens } = this.#options;
    if (!(await secondFactors.isEnabled(account.id)))
      return this.#admission.admit(account, origin, { hasOtp: false });
    // Failures still count: a right password alone must not open the way to more codes.
    const otpToken = await otpTokens.sign({ userId: account.id, fingerprint: toFingerprint(account) });
    return { otp_required: true, otp_token: otpToken, expires_in: otpTokens.lifetime };
  }

  /** Returns whom the first step took. @throws AppError authentication_error when that isn't so any more */
  async #readFirstStep(otpToken: string): Promise<Account> {
    const { store, otpTokens } = this.#options;
    const claims = await otpTokens.verify(otpToken);
    const account = claims === null ? null : await findAccount(store, claims.userId);
    if (account === null || !isUnlocked(account) || toFingerprint(account) !== claims?.fingerprint)
      throw tooLate();
    return account;
  }

  /** Returns what is to be noted of a first step that a provider's word was; nothing of a password's. */
  async #readBegun(otpToken: string | undefined): Promise<Omit<Entry, "hasOtp">> {
    const { otpTokens, readBegun } = this.#options;
    const step = otpToken === undefined ? undefined : (await otpTokens.verify(otpToken))?.step;
    if (step === undefined) return {};
    if (readBegun === undefined) throw tooLate();
    return readBegun(step);
  }

  async #fail(candidate: KnownCandidate, reason: LoginFailure["reason"], origin: Origin): Promise<never> {
    const { store, lockout } = this.#options;
    const { account } = candidate;
    const email = parseEmail(candidate.name);
    const attempted = reason === "wrong_code" ? "code" : "password";
    await store.db.transaction(
      async (tx) => {
        const isLocked = await lockout.countFailure(tx, attempted, candidate);
        await writeAudit(tx, store.tables, {
          action: attempted === "code" ? "user.otp_failed" : "user.login_failed",
          ...(account === null ? {} : { target: { type: "user", id: account.id } }),
          result: "refused",
          origin,
          // What isn't an email may be a password, typed into the wrong field.
          after: { email, is_locked: isLocked },
        });
      },
      { retries: 3 },
    );
    await this.#tellFailure(candidate, reason, origin);
    throw invalidCredentials();
  }

  async #tellFailure(
    { name, account }: KnownCandidate,
    reason: LoginFailure["reason"],
    origin: Origin,
  ): Promise<void> {
    await this.#options.hooks.emit("user.login_failed", {
      email: parseEmail(name),
      user_id: account?.id ?? null,
      reason,
      ip_address: origin.ipAddress,
      user_agent: origin.userAgent,
    });
  }
}

function hasPassword(account: Account | null): account is Known {
  return account !== null && account.password_hash !== null;
}

/** What a passkey is asked for: the second step of somebody, or to let anybody in. */
function toUse(first: Account | null): ChallengeUse {
  return first === null
    ? { purpose: "login", subject: "" }
    : { purpose: "second step", subject: String(first.id) };
}
