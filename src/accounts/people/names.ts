import { fail, invalidRequest } from "../../errors/codes.ts";

const MAX_LENGTH = 255; // characters, what the columns of a person's name hold
/** Characters that the name of a device or a key may have. */
export const MAX_DISPLAY_NAME = 100;
/** Control characters and line ends, what turns text around, and halves of surrogate pairs. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** Returns the name that somebody gives to what they own, trimmed. @throws AppError validation_error */
export function toDisplayName(text: string): string {
  const name = text.trim();
  if (name.length > 0 && name.length <= MAX_DISPLAY_NAME && !FORBIDDEN.test(name)) return name;
  const message = `Expected 1 to ${MAX_DISPLAY_NAME} characters, without control characters`;
  throw invalidRequest([{ path: "/body/name", code: "invalid", message }]);
}

/**
 * Returns what a search by name compares: "Hélène Dupont" is found by "helene du". Kept in `users.name_key`
 * beside `full_name`; null for no name.
 */
export function toNameKey(fullName: string | null | undefined): string | null {
  const key = (fullName ?? "")
    .normalize("NFKD")
    .replaceAll(/\p{Mn}/gu, "")
    .toLowerCase()
    .replaceAll(/\s+/g, " ")
    .trim();
  // Decomposed, a name can be longer than its column.
  return key === "" ? null : Array.from(key).slice(0, MAX_LENGTH).join("");
}

/**
 * Returns a name as it is kept: composed, without spaces around it, null for an empty one.
 *
 * @throws AppError validation_error for one of more than 255 characters, or with control characters
 */
export function normalizeFullName(text: string | null | undefined): string | null {
  const name = (text ?? "").normalize("NFC").trim();
  if (name === "") return null;
  // Line breaks would let a name add headers to a mail, and what turns text around show it as another's.
  if (name.length <= MAX_LENGTH && !FORBIDDEN.test(name)) return name;
  const message = `Expected a name of at most ${MAX_LENGTH} characters, without line breaks and other control characters`;
  const errors = [{ path: "/body/full_name", code: "invalid", message }];
  throw fail("validation_error", message, { errors });
}
