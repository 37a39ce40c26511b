import { isSameText } from "../keys/opaque-tokens.ts";
import type { SecretKey } from "../keys/secret.ts";

/** How what a browser presents begins: a cookie's value. */
export const COOKIE_START = "xs_";

const NAME = "xcore_session";
/** Browsers take a cookie of this name only by HTTPS, for this host alone and for all of it (RFC 6265bis, 4.1.3.2). */
const SECURE_NAME = `__Host-${NAME}`;
const VALUE = /^xs_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([0-9a-z]{1,9})\.([\w-]{8})\.([\w-]{43})$/;

const DEVICES_NAME = "xcore_devices";
const DEVICES_SECONDS = 400 * 86_400; // as long as browsers keep any

/** What a cookie says. */
export interface CookieClaims {
  readonly sessionId: string;
  /** In ms since the epoch: `cookie_at` of the session, while it is the one that is valid. */
  readonly issuedAt: number;
  /** Tells the rights that its user had then from any other: see `toRightsMark`. */
  readonly rights: string;
}

export interface SessionCookies {
  /** Returns the value of a cookie. */
  mint(claims: CookieClaims): string;
  /** Returns what a value says that we have made, null for any other text. Says nothing of its session. */
  open(value: string): CookieClaims | null;
}

/** Creates the cookies of sessions: a session's id, when it was issued, and the seal (HMAC) of both. */
export function createSessionCookies(secretKey: SecretKey): SessionCookies {
  const key = secretKey.deriveKey("session cookie");
  const seal = (text: string): string => new Bun.CryptoHasher("sha256", key).update(text).digest("base64url");
  return {
    mint({ sessionId, issuedAt, rights }) {
      const text = `${COOKIE_START}${sessionId}.${issuedAt.toString(36)}.${rights}`;
      return `${text}.${seal(text)}`;
    },
    open(value) {
      const [, sessionId = "", issued = "", rights = "", mark = ""] = VALUE.exec(value) ?? [];
      const text = value.slice(0, -mark.length - 1);
      if (mark === "" || !isSameText(seal(text), mark)) return null;
      return { sessionId, issuedAt: Number.parseInt(issued, 36), rights };
    },
  };
}

/**
 * Returns the value of the session's cookie in a `Cookie` header, null for none. Two of its name are none: one of them
 * was set by another host of the domain, and nothing tells which.
 *
 * @param isSecure whether the browser speaks HTTPS: then only the name counts that no other host can set
 */
export function readCookie(header: string, isSecure: () => boolean): string | null {
  if (!header.includes(NAME)) return null;
  const secure = find(header, SECURE_NAME);
  if (secure !== null) return secure;
  const plain = find(header, NAME);
  return plain === null || isSecure() ? null : plain;
}

/** Returns by what a browser shows that accounts were logged in to with it, "" for nothing: see `accounts/notices`. */
export function readDevicesCookie(header: string | null, isSecure: boolean): string {
  return header === null ? "" : (find(header, isSecure ? `__Host-${DEVICES_NAME}` : DEVICES_NAME) ?? "");
}

/** Returns the header `Set-Cookie` of that. */
export function toSetDevicesCookie(value: string, isSecure: boolean): string {
  const attributes = `Path=/; Max-Age=${DEVICES_SECONDS}; HttpOnly; SameSite=Lax`;
  return isSecure
    ? `__Host-${DEVICES_NAME}=${value}; ${attributes}; Secure`
    : `${DEVICES_NAME}=${value}; ${attributes}`;
}

/** Returns the header `Set-Cookie` of a value. @param maxAge in seconds */
export function toSetCookie(
  value: string,
  { isSecure, maxAge }: { readonly isSecure: boolean; readonly maxAge: number },
): string {
  const attributes = `Path=/; Max-Age=${maxAge}; HttpOnly; SameSite=Lax`;
  return isSecure ? `${SECURE_NAME}=${value}; ${attributes}; Secure` : `${NAME}=${value}; ${attributes}`;
}

/** Without splitting: each request of a browser to a guarded route comes through here. */
function find(header: string, name: string): string | null {
  let found: string | null = null;
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + 1)) {
    const start = at + name.length + 1;
    if (header[start - 1] !== "=" || !isAtStart(header, at)) continue;
    if (found !== null) return null;
    const end = header.indexOf(";", start);
    found = header.slice(start, end === -1 ? header.length : end).trim();
  }
  return found;
}

function isAtStart(header: string, at: number): boolean {
  let before = at - 1;
  while (header[before] === " ") before -= 1;
  return before < 0 || header[before] === ";";
}
