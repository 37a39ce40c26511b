import { timingSafeEqual } from "node:crypto";
import { sha256 } from "../../files/sha256.ts";

/** Crockford's base 32: no letter looks like a digit, and upper case is the same. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const TOKEN_BYTES = 32;

/** Returns random text of digits and lower case letters, 5 bits a character. */
export function randomText(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  // 256 is a multiple of 32: each character is as likely as any other.
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join("");
}

/** Returns what nobody guesses: 256 random bits in base64url, for a link or a cookie. */
export function makeToken(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))).toString("base64url");
}

/**
 * Returns the SHA-256 (hex) that a token is stored as. Without salt and in one round, which is enough for random
 * text of 80 bits and more: guessing it is as hopeless as guessing the token.
 */
export function hashToken(token: string): string {
  return sha256(token);
}

/** Whether two texts are the same, in a time that tells nothing of where they differ. */
export function isSameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
