import { isSameText } from "../keys/opaque-tokens.ts";
import type { SecretKey } from "../keys/secret.ts";

const SECRET_BYTES = 24;
const TOKEN = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([\w-]{32})\.([\w-]{43})$/;

/** Makes and reads refresh tokens: the session's id, a random part, and the seal of both. */
export interface RefreshTokens {
  mint(sessionId: string): string;
  /** Returns the session of a token that we have made, null for any other text. */
  read(token: string): string | null;
}

/**
 * Creates the refresh tokens. The seal (HMAC) tells a token that was once valid, and is replayed, from one made up
 * by somebody who has only seen the id of a session and would end it.
 */
export function createRefreshTokens(secretKey: SecretKey): RefreshTokens {
  const key = secretKey.deriveKey("refresh");
  const seal = (text: string): string => new Bun.CryptoHasher("sha256", key).update(text).digest("base64url");
  return {
    mint(sessionId) {
      const random = Buffer.from(crypto.getRandomValues(new Uint8Array(SECRET_BYTES))).toString("base64url");
      const text = `${sessionId}.${random}`;
      return `${text}.${seal(text)}`;
    },
    read(token) {
      const [, sessionId = "", random = "", mark = ""] = TOKEN.exec(token) ?? [];
      return sessionId !== "" && isSameText(seal(`${sessionId}.${random}`), mark) ? sessionId : null;
    },
  };
}
