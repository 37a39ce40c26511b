import { fail } from "./error-codes.ts";
import type { Principal } from "./principal.ts";

/**
 * Returns the session of who asks. An API key has none: it may not manage what lets people in.
 *
 * @throws AppError authorization_error for an API key
 */
export function requireSession({ sessionId }: Principal): string {
  if (sessionId !== null) return sessionId;
  throw fail("authorization_error", "This needs somebody who has logged in: an API key isn't enough");
}
