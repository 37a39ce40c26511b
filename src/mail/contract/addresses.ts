import { isExact, isMailable, parseEmail } from "../../accounts/people/emails.ts";
import { fail } from "./error-codes.ts";

const NAMED = /^(.+) <([^<>]+)>$/u;

/** Whom mail comes from. */
export interface Sender {
  readonly name: string;
  readonly address: string;
}

/**
 * Returns the one address that a text is: no list, no name, no comment, nothing quoted. Its domain is as DNS knows it.
 *
 * @throws AppError validation_error for what isn't exactly one
 */
export function toRecipient(text: unknown): string {
  const address = typeof text === "string" ? parseAddress(text) : null;
  if (address !== null) return address;
  const shown = typeof text === "string" ? JSON.stringify(text.slice(0, 100)) : `a ${typeof text}`;
  const message = `Cannot send mail to ${shown}: expected one address such as "ada@example.com"`;
  throw fail("validation_error", message, { errors: [{ path: "/to", code: "invalid", message }] });
}

/** Reads `mail.from`. @throws TypeError for what isn't an address, with a name or without */
export function toSender(text: string): Sender {
  const [, name = "", address = text] = NAMED.exec(text.trim()) ?? [];
  const parsed = parseAddress(address.trim());
  if (parsed !== null) return { name: name.trim(), address: parsed };
  throw new TypeError(
    `Cannot send mail from ${JSON.stringify(text)}: expected an address such as "noreply@example.com"`,
  );
}

function parseAddress(text: string): string | null {
  if (!isExact(text)) return null;
  const address = parseEmail(text);
  if (address === null || text !== text.trim()) return null;
  return isMailable(address) ? address : null;
}
