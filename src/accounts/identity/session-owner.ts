import type { Origin, Principal } from "./principal.ts";
import { requireSession } from "./session-principal.ts";

/** Somebody who has logged in, and where they ask from. */
export interface SessionOwner {
  readonly user: { readonly id: number; readonly email: string };
  readonly sessionId: string;
  readonly origin: Origin;
}

/** Returns whose session asks. @throws AppError authorization_error for an API key, which has none */
export function toSessionOwner(principal: Principal, origin: Origin): SessionOwner {
  return { user: principal.user, sessionId: requireSession(principal), origin };
}
