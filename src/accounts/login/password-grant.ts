import { Value } from "@sinclair/typebox/value";
import { t } from "elysia";
import { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import type { TokenPair } from "../sessions/sessions.ts";
import type { OtpChallenge } from "./login.ts";

const Grant = t.Object({
  username: t.String({ minLength: 1, maxLength: 320 }),
  password: t.String({ minLength: 1, maxLength: 1024 }),
});

/** What is refused, as clients of OAuth 2 read it (RFC 6749, 5.2). */
export const OauthError = t.Object(
  { error: t.String(), error_description: t.String() },
  { description: "With a grant_type: what OAuth 2 calls the error, beside the members of any problem" },
);

type OauthCode = "invalid_request" | "invalid_grant" | "unsupported_grant_type" | "mfa_required";

/**
 * Looks at a login that says what it grants, before it is validated: one by password, as OAuth 2 has it (RFC 6749, 4.3).
 *
 * @throws AppError unsupported_grant_type, invalid_request, in the form of OAuth 2
 */
export function assertPasswordGrant(body: unknown): void {
  if (typeof body !== "object" || body === null || !("grant_type" in body)) return;
  if (body.grant_type !== "password") {
    const message = 'Only the grant type "password" is served here: refresh tokens are for /auth/refresh';
    throw oauthError("unsupported_grant_type", message);
  }
  if (Value.Check(Grant, body)) return;
  throw oauthError(
    "invalid_request",
    "The form needs a username, which is the email, and a password, once each",
  );
}

/**
 * Logs in as OAuth 2 asks for it, which has no second step.
 *
 * @throws AppError mfa_required with a second factor, invalid_grant for what the login refuses, in the form of OAuth 2
 * @throws AppError account_locked, rate_limited, in that form as well
 */
export async function grantByPassword(login: () => Promise<TokenPair | OtpChallenge>): Promise<TokenPair> {
  try {
    const answer = await login();
    if (!("otp_required" in answer)) return answer;
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    const { code, message, headers } = error;
    const isLimit = code === "account_locked" || code === "rate_limited";
    throw oauthError(isLimit ? code : "invalid_grant", message, headers);
  }
  const message =
    "This account has a second factor, which this form can't ask for: log in with POST /auth/login and " +
    "POST /auth/login/otp, and use the access token as the bearer";
  throw oauthError("mfa_required", message);
}

/** An error that clients of OAuth 2 can read (RFC 6749, 5.2). */
function oauthError(
  code: OauthCode | "account_locked" | "rate_limited",
  message: string,
  headers: Readonly<Record<string, string>> = {},
): AppError {
  const members = { error: code, error_description: message };
  return fail(code, message, { headers, members, contentType: "application/json" });
}
