import { fail } from "../../errors/codes.ts";

/** Characters that the name of a device or a key may have. */
export const MAX_DISPLAY_NAME = 100;
/** Control characters and line ends, what turns text around, and halves of surrogate pairs. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** Returns the name that somebody gives to what they own, trimmed. @throws AppError validation_error */
export function toDisplayName(text: string): string {
  const name = text.trim();
  if (name.length > 0 && name.length <= MAX_DISPLAY_NAME && !FORBIDDEN.test(name)) return name;
  const message = `Expected 1 to ${MAX_DISPLAY_NAME} characters, without control characters`;
  throw fail("validation_error", "The request is not valid: see errors", {
    errors: [{ path: "/body/name", code: "invalid", message }],
  });
}
