import { fail } from "./error-codes.ts";
import type { Origin, Principal } from "./principal.ts";

/** Somebody who has logged in, and where they ask from. */
export interface SessionOwner {
  readonly user: { readonly id: number; readonly email: string };
  readonly sessionId: string;
  readonly origin: Origin;
}

/** For the `detail` of a route that takes a session: the ways to ask for it, without API keys. */
export const BY_SESSION = { security: [{ password: [] }, { bearer: [] }] };

/** Describes `current_password` of what takes the password of the last ten minutes as well. */
export const FRESH_PASSWORD =
  "Of the account; may be left out within ten minutes of the login or POST /auth/password/verify, with two factors of a code";

/** Returns whose session asks. @throws AppError authorization_error for an API key, which has none; viewing_as_user */
export function toSessionOwner(principal: Principal, origin: Origin): SessionOwner {
  return { user: principal.user, sessionId: requireSession(principal), origin };
}

/**
 * Returns who sits before the client that asks, and has logged in: of an administrator who views as somebody else their
 * own session, which the view ends with.
 *
 * @throws AppError authorization_error for an API key
 */
export function toPresentOwner(principal: Principal, origin: Origin): SessionOwner {
  const { viewer = null } = principal;
  if (viewer === null) return toSessionOwner(principal, origin);
  const { id, email, sessionId } = viewer;
  return { user: { id, email }, sessionId, origin };
}

/**
 * Returns the session of its owner, who asks. An API key has none: it may not manage what lets people in. Nor may an
 * administrator who views as somebody else.
 *
 * @throws AppError authorization_error for an API key; viewing_as_user
 */
export function requireSession(principal: Principal): string {
  assertNotViewing(principal);
  return requireAnySession(principal);
}

/** As `requireSession`, for what an administrator may do too who views as somebody else. */
export function requireAnySession({ sessionId }: Principal): string {
  if (sessionId !== null) return sessionId;
  throw fail("authorization_error", "This needs somebody who has logged in: an API key isn't enough");
}

/** Refuses an administrator who views as somebody else what only its owner does to an account. @throws AppError viewing_as_user */
export function assertNotViewing({ viewer = null, user }: Principal): void {
  if (viewer === null) return;
  throw fail("viewing_as_user", `You view as "${user.email}": this is for the owner of the account alone`);
}

/**
 * Makes sure that a request comes from the owner of the account, and not from somebody who has found a session open:
 * asks for the password again.
 *
 * @param action what it is asked for, as the audit log calls it: "api_key.created"
 * @returns the hash that it was checked against
 * @throws AppError invalid_credentials when it is wrong; rate_limited after too many wrong ones from this session
 */
export type ConfirmPassword = (
  owner: SessionOwner,
  asked: { readonly password: string; readonly action: string },
) => Promise<string>;

/**
 * As `ConfirmPassword`, for what takes the password of the last ten minutes as well, or with two factors such a code.
 *
 * @throws AppError identification_expired, otp_expired without a password; what `ConfirmPassword` throws with one
 */
export type ConfirmOwner = (
  owner: SessionOwner,
  asked: { readonly password: string | undefined; readonly action: string },
) => Promise<void>;

/** What attempts are counted by. */
export interface Attempts {
  /**
   * Counts an attempt. Resolves with what takes it back: it was none to be limited, such as a login that succeeded.
   *
   * @throws AppError rate_limited, without counting, when there were too many
   */
  take(key: string): Promise<() => void>;
}
