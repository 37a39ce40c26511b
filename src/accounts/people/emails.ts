import { domainToASCII } from "node:url";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";

/** Of the emails that rows of deleted accounts hold in the place of theirs: nobody has one of it, nor keeps one from being there. */
export const NOBODYS_DOMAIN = "deleted.invalid";

const MAX_LENGTH = 255; // characters, what the column holds
// RFC 5321, 4.5.3.1.
const MAX_LOCAL_BYTES = 64;
const MAX_BYTES = 254;
/** How many domains a message names. */
const MAX_NAMED = 5;
// What RFC 5321 allows without quotes, and beyond ASCII letters, marks and digits (RFC 6531).
const LOCAL_PART = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const UNICODE_DOMAIN = /^[\p{L}\p{M}\p{N}.-]+$/u;
const ASCII = /^[\x21-\x7e]+$/;
const DOMAIN = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** Returns the one spelling of an email that accounts are kept under; null for text that isn't one. */
export function parseEmail(text: string): string | null {
  if (text.length > 4 * MAX_LENGTH) return null;
  // Small letters may compose anew, as those of "İ" do.
  const normal = text.normalize("NFKC").trim().toLowerCase().normalize("NFKC");
  const at = normal.lastIndexOf("@");
  const local = normal.slice(0, at);
  if (at < 1 || local.length > 64 || !LOCAL_PART.test(local)) return null;
  const domain = toAsciiDomain(normal.slice(at + 1));
  if (domain === null || domain === NOBODYS_DOMAIN) return null;
  const email = `${local}@${domain}`;
  return email.length > MAX_LENGTH ? null : email;
}

/**
 * Returns the one spelling of an email that accounts are kept under: composed, in small letters, the domain as
 * DNS knows it. Variants of case and Unicode form are one account.
 *
 * @throws AppError validation_error for text that isn't an email
 */
export function normalizeEmail(text: string): string {
  const email = parseEmail(text);
  if (email !== null) return email;
  const message = 'Expected an email such as "ada@example.com", of at most 255 characters';
  throw invalidEmail(message);
}

/**
 * Returns an email that mail is sent to because somebody has typed it. Letters that only look the same, once they are composed, would be
 * another's address: nothing goes where it wasn't written to.
 *
 * @throws AppError validation_error for text that isn't an email, or isn't spelt as it is meant
 */
export function normalizeExactEmail(text: string): string {
  if (isExact(text)) return assertMailable(normalizeEmail(text));
  throw invalidEmail("Expected an email in plain letters: some of these only look like them");
}

/** Returns an email that mail can be sent to. @throws AppError validation_error for one that is too long for that */
export function assertMailable(email: string): string {
  if (isMailable(email)) return email;
  throw invalidEmail(
    "Expected an email of at most 254 bytes, 64 before the @: letters beyond ASCII take several",
  );
}

/** Whether an email isn't too long for mail. */
export function isMailable(email: string): boolean {
  const local = email.slice(0, email.lastIndexOf("@"));
  return Buffer.byteLength(local) <= MAX_LOCAL_BYTES && Buffer.byteLength(email) <= MAX_BYTES;
}

function invalidEmail(message: string): AppError {
  return fail("validation_error", message, { errors: [{ path: "/body/email", code: "invalid", message }] });
}

/** Whether no letter of an email stands for another one that looks the same. */
export function isExact(text: string): boolean {
  return text.normalize("NFKC") === text.normalize("NFC");
}

/**
 * Refuses an email of another domain than these; none are any. Each stands for itself and not for those below it.
 *
 * @throws AppError email_domain_refused
 */
export function assertDomain(email: string, domains: readonly string[]): void {
  const own = email.slice(email.lastIndexOf("@") + 1);
  if (domains.length === 0 || domains.some((domain) => parseDomain(domain) === own)) return;
  const listed = domains.slice(0, MAX_NAMED).join(", ") + (domains.length > MAX_NAMED ? ", \u2026" : "");
  throw fail(
    "email_domain_refused",
    `Accounts here are for emails of ${listed}: take one of these, or ask an administrator`,
  );
}

/**
 * Returns a domain as DNS knows it, which is how emails are kept: "b\u00fccher.example" is "xn--bcher-kva.example". Null for text that
 * isn't one.
 */
export function parseDomain(text: string): string | null {
  return toAsciiDomain(text.normalize("NFKC").trim().toLowerCase().normalize("NFKC"));
}

function toAsciiDomain(domain: string): string | null {
  if (domain.length > 253 || !UNICODE_DOMAIN.test(domain)) return null;
  const ascii = ASCII.test(domain) ? domain : domainToASCII(domain);
  return ascii.length <= 253 && DOMAIN.test(ascii) ? ascii : null;
}
