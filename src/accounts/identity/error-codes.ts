import { createFail, type ErrorCode } from "../../errors/codes.ts";

export const AUTH_ERROR_CODES = {
  authentication_error: {
    status: 401,
    meaning: "Nobody is logged in, or the token or key isn't valid (any more)",
  },
  invalid_credentials: { status: 401, meaning: "The email, the password or the code is wrong" },
  authorization_error: { status: 403, meaning: "The user may not do this" },
  otp_required: {
    status: 403,
    meaning: "A role of the user asks for two factors: enrol a device or add a passkey, and log in with it",
  },
  otp_expired: {
    status: 403,
    meaning: "The last code was too long ago for this: give one at `POST /auth/otp/verify`",
  },
  identification_expired: {
    status: 403,
    meaning: "The password was given too long ago for this: give it at `POST /auth/password/verify`",
  },
  viewing_as_user: {
    status: 403,
    meaning: "Not while viewing as somebody else: end that first, at `DELETE /auth/impersonation`",
  },
  cross_site_request: {
    status: 403,
    meaning: "A request with a session's cookie that doesn't show that a page of this server has sent it",
  },
  account_locked: {
    status: 429,
    meaning: "Too many wrong passwords or codes; try again, as retry-after says",
  },
  invalid_request: { status: 400, meaning: "A login in the form of OAuth 2 lacks a field, or has one twice" },
  invalid_grant: {
    status: 400,
    meaning: "A login in the form of OAuth 2: what it says is wrong, or refused",
  },
  unsupported_grant_type: {
    status: 400,
    meaning: "A login in the form of OAuth 2 with another `grant_type` than `password`",
  },
  mfa_required: {
    status: 400,
    meaning: "The account has a second factor, which a login in the form of OAuth 2 can't ask for",
  },
  passkeys_unavailable: {
    status: 409,
    meaning:
      "Passkeys are of one domain: this server, or this page of it, has none that browsers make them for",
  },
  link_invalid: {
    status: 410,
    meaning: "A link of a mail that was used, is too old, or was followed by a newer one: ask for another",
  },
  email_unverified: {
    status: 403,
    meaning:
      "Who has registered follows the link first that was mailed to them; `POST /auth/email/verification` sends it again",
  },
  email_domain_refused: {
    status: 403,
    meaning: "Accounts here are for emails of other domains: `security.registration_domains`",
  },
  deletion_pending: {
    status: 403,
    meaning:
      "The account is to be deleted, as its owner wants; `keep_token` keeps it, at `POST /auth/deletion/keep`",
  },
  deletion_refused: { status: 409, meaning: "A plugin keeps the account, or nobody else may do everything" },
  provider_unavailable: {
    status: 503,
    meaning: "The provider to sign in by doesn't answer, or not as it should",
  },
  provider_refused: {
    status: 403,
    meaning: "The provider doesn't let somebody sign in, or they have cancelled it",
  },
  provider_account_refused: {
    status: 403,
    meaning:
      "The provider knows who it is, and they may not sign in: without a verified email, of another domain or organization, or without an account here",
  },
  sign_in_invalid: {
    status: 400,
    meaning:
      "What a browser has brought from a provider isn't the answer to how it began, is too old, or was used",
  },
  logout_token_invalid: {
    status: 400,
    meaning:
      "A logout token (OpenID Connect Back-Channel Logout) that isn't one of the provider's, or was used",
  },
  public_url_missing: {
    status: 409,
    meaning: "Providers send browsers back to `server.public_url`, which isn't set",
  },
  registration_closed: { status: 403, meaning: "Accounts are made by an administrator here" },
} as const satisfies Record<string, ErrorCode>;

/** Makes the AppError of a code of accounts, or of one that all slices share. */
export const fail = createFail(AUTH_ERROR_CODES);
