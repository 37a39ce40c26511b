import { HOTP, Secret, TOTP } from "otpauth";
import { renderSVG } from "uqr";
import { isSameText } from "../keys/opaque-tokens.ts";

/** What authenticator apps take for granted (RFC 6238). */
const ALGORITHM = "SHA1";
const DIGITS = 6;
const PERIOD = 30; // seconds
/** Steps that a clock may be early or late by. */
const WINDOW = 1;
/** Steps that the last used one may be ahead by: further, it was used by a clock that was set back since. */
const FURTHEST = 10;
const SECRET_BYTES = 20; // as long as the hash, RFC 4226
/** Modules of white that a scanner needs around a QR code. */
const QUIET_ZONE = 4;
const MODULE_SIZE = 4;
const CODE = /^\d{6}$/;

/** Returns a new random secret, in base 32 as authenticator apps take it. */
export function createOtpSecret(): string {
  return new Secret({ buffer: crypto.getRandomValues(new Uint8Array(SECRET_BYTES)).buffer }).base32;
}

/** Returns the code that was typed as "123 456" or "123456", null for anything else. */
export function toOtpCode(typed: string): string | null {
  const code = typed.replaceAll(/[\s-]/g, "");
  return CODE.test(code) ? code : null;
}

/** Returns the code of an authenticator app at a time, in ms since the epoch. */
export function generateOtpCode(secret: string, atMs: number): string {
  return toCode(Secret.fromBase32(secret), toStep(atMs));
}

/**
 * Finds the time step that a code belongs to, as far as clocks may differ; "used" where all that it belongs to are up to `after`,
 * the one that was used last. Null when the code is wrong.
 */
export function findOtpStep(
  secret: string,
  code: string,
  { nowMs, after }: { nowMs: number; after: number },
): number | "used" | null {
  const key = Secret.fromBase32(secret);
  const now = toStep(nowMs);
  let found: number | "used" | null = null;
  for (let step = now - WINDOW; step <= now + WINDOW; step++) {
    const isMatch = step >= 0 && isSameText(toCode(key, step), code);
    if (isMatch && typeof found !== "number") found = isUsed(step, after) ? "used" : step;
  }
  return found;
}

/** Returns the `otpauth://` URI that authenticator apps read from a QR code. */
export function toOtpUri({
  secret,
  issuer,
  account,
}: {
  secret: string;
  issuer: string;
  account: string;
}): string {
  return new TOTP({
    // A colon separates the two in a label.
    issuer: issuer.replaceAll(":", " "),
    label: account.replaceAll(":", " "),
    secret: Secret.fromBase32(secret),
    algorithm: ALGORITHM,
    digits: DIGITS,
    period: PERIOD,
  }).toString();
}

/** Draws text as a QR code: an SVG element for a page or a file, black on white in every theme. */
export function toQrCodeSvg(text: string): string {
  return renderSVG(text, { ecc: "M", border: QUIET_ZONE, pixelSize: MODULE_SIZE });
}

/** Whether a step was used, or one after it. */
function isUsed(step: number, after: number): boolean {
  return step <= after && after <= step + FURTHEST;
}

function toStep(ms: number): number {
  return Math.floor(ms / 1000 / PERIOD);
}

function toCode(secret: Secret, step: number): string {
  return HOTP.generate({ secret, counter: step, algorithm: ALGORITHM, digits: DIGITS });
}
