import type { SecretKey } from "../keys/secret.ts";

/** The header, and the field of forms, that a token is sent in. */
export const CSRF_HEADER = "x-csrf-token";
export const CSRF_FIELD = "csrf_token";

const MAX_LENGTH = 512;

/** Makes and checks what shows that a request comes from a page of ours; each is good for one session. */
export interface CsrfTokens {
  mint(sessionId: string): string;
  isValid(token: unknown, sessionId: string): boolean;
  /** Whether a body has a valid one among its fields. */
  isIn(body: unknown, sessionId: string): boolean;
}

/** Creates the tokens. @param lifetimeMs as long as a session lasts: a page may stay open */
export function createCsrfTokens(secretKey: SecretKey, lifetimeMs: number): CsrfTokens {
  const secret = Buffer.from(secretKey.deriveKey("csrf")).toString("base64url");
  const isValid = (token: unknown, sessionId: string): boolean =>
    typeof token === "string" &&
    token !== "" &&
    token.length <= MAX_LENGTH &&
    Bun.CSRF.verify(token, { secret, sessionId, encoding: "base64url", maxAge: lifetimeMs });
  return {
    mint: (sessionId) =>
      Bun.CSRF.generate(secret, { sessionId, encoding: "base64url", expiresIn: lifetimeMs }),
    isValid,
    isIn: (body, sessionId) =>
      typeof body === "object" && body !== null && CSRF_FIELD in body && isValid(body[CSRF_FIELD], sessionId),
  };
}
