import { createHash } from "node:crypto";
import { fail, invalidRequest } from "../../errors/codes.ts";
import type { OtpTokens } from "../identity/access-tokens.ts";
import type { Origin } from "../identity/principal.ts";
import { isUnlocked } from "../identity/standing.ts";
import { isSameText } from "../keys/opaque-tokens.ts";
import type { SecretBox } from "../keys/secret-box.ts";
import {
  Admission,
  type AdmissionOptions,
  type OtpChallenge,
  toFingerprint,
  tooLate,
} from "../login/login.ts";
import { type Account, findAccount } from "../people/users.ts";
import type { TokenPair } from "../sessions/sessions.ts";
import { signInInvalid } from "./answers.ts";
import { type Begun, toChallenge, toEntry } from "./begun.ts";
import type { IdentityStates } from "./states.ts";

/** Where an app waits for its user, and by what it shows that it is the one that has begun (RFC 7636, RFC 8252). */
export interface AppReturn {
  readonly redirectUri: string;
  /** SHA-256 of what it keeps for itself, in base64url. */
  readonly challenge: string;
  /** What it is told again; null where it has said nothing. */
  readonly state: string | null;
}

/** What an app shows to get tokens. */
export interface GivenCode {
  readonly code: string;
  readonly code_verifier: string;
}

export interface AppSignInOptions extends Omit<AdmissionOptions<unknown>, "issue"> {
  readonly otpTokens: OtpTokens;
  readonly states: IdentityStates;
  readonly box: SecretBox;
  /** Adds a session that tokens are held of. */
  readonly issueTokens: AdmissionOptions<TokenPair>["issue"];
}

/** What waits for an app to come for it. */
interface Handed extends Begun {
  readonly userId: number;
  readonly fingerprint: string;
  readonly hasOtp: boolean;
  readonly challenge: string;
}

/**
 * Signs people in to apps: the browser, in which they have signed in by a provider, leads them back to the app with a code,
 * which is worth tokens to the app that has begun and to nobody else.
 */
export class AppSignIn {
  readonly #options: AppSignInOptions;
  readonly #admission: Admission<TokenPair>;

  constructor(options: AppSignInOptions) {
    this.#options = options;
    this.#admission = new Admission({ ...options, issue: options.issueTokens });
  }

  /** Returns where a browser goes on to. */
  async hand(
    { redirectUri, challenge, state }: AppReturn,
    {
      begun,
      account,
      hasOtp,
    }: { readonly begun: Begun; readonly account: Account; readonly hasOtp: boolean },
  ): Promise<URL> {
    const { states, otpTokens } = this.#options;
    const handed: Handed = {
      ...begun,
      userId: account.id,
      fingerprint: toFingerprint(account),
      hasOtp,
      challenge,
    };
    const url = new URL(redirectUri);
    url.searchParams.set("code", await states.keep("begun", handed, otpTokens.lifetime * 1000));
    if (state !== null) url.searchParams.set("state", state);
    return url;
  }

  /**
   * Gives tokens for a code, or what asks for the second factor.
   *
   * @throws AppError sign_in_invalid for a code that is too old, was used, or is another app's
   * @throws AppError authentication_error when the account has changed since; authorization_error when a hook cancels it
   */
  async exchange({ code, code_verifier }: GivenCode, origin: Origin): Promise<TokenPair | OtpChallenge> {
    const { store, states, secondFactors, otpTokens } = this.#options;
    const handed = await states.find<Partial<Handed> & Begun>("begun", code);
    const { userId, challenge } = handed ?? {};
    const isOwn = challenge !== undefined && isSameText(toChallengeOf(code_verifier), challenge);
    if (handed === null || userId === undefined || !isOwn)
      throw signInInvalid("The code isn't valid, or no longer: sign in again");
    const account = await findAccount(store, userId);
    if (account === null || !isUnlocked(account) || toFingerprint(account) !== handed.fingerprint)
      throw tooLate();
    const { hasOtp = false } = handed;
    if (!hasOtp && (await secondFactors.isEnabled(userId))) return toChallenge(otpTokens, account, code);
    return this.#admission.admit(account, origin, { ...toEntry(this.#options, handed, code), hasOtp });
  }
}

/**
 * Reads where an app waits, which `auth.redirect_uris` has to name letter by letter.
 *
 * @returns null where no app has begun
 * @throws AppError validation_error
 */
export function toAppReturn(
  known: readonly string[],
  asked: {
    readonly redirect_uri?: string | undefined;
    readonly code_challenge?: string | undefined;
    readonly state?: string | undefined;
  },
): AppReturn | null {
  const { redirect_uri: redirectUri, code_challenge: challenge, state = null } = asked;
  if (redirectUri === undefined) return null;
  if (!known.includes(redirectUri))
    throw fail("validation_error", "There is no such address in auth.redirect_uris");
  if (challenge !== undefined) return { redirectUri, challenge, state };
  throw invalidRequest([
    { path: "/query/code_challenge", code: "required", message: "Required, but missing" },
  ]);
}

function toChallengeOf(verifier: string): string {
  return createHash("sha256").update(verifier).digest("base64url");
}
