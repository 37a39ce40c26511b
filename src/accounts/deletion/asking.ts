import type { HookBus } from "../../hooks/bus.ts";
import type { HookResult } from "../../hooks/handlers.ts";
import type { Account } from "../people/users.ts";

const MAX_REASON = 500; // characters
const FORBIDDEN = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

/** What keeps an account from being deleted. */
export interface Objection {
  /** For its owner. */
  readonly reason: string;
  /** Whether a plugin has refused it; else one couldn't say, and is to be asked again. */
  readonly isFinal: boolean;
}

/**
 * Asks plugins whether an account may be deleted, by `user.deleting`. One that throws, or is late, may have a reason that it
 * couldn't tell: that is an objection too.
 *
 * @param phase "request": its owner wants it; "final": what handlers do with the database is part of it
 */
export async function findObjection(
  hooks: HookBus,
  { id, email, full_name }: Pick<Account, "id" | "email" | "full_name">,
  { phase, deletionAt }: { readonly phase: "request" | "final"; readonly deletionAt: Date },
): Promise<Objection | null> {
  const results = await hooks.emit("user.deleting", {
    user: { id, email, full_name },
    phase,
    deletion_at: deletionAt.toISOString(),
  });
  if (results.cancelled) {
    const reason = toReason(results.cancel_reason ?? "");
    return { reason: reason === "" ? "A plugin keeps the account" : reason, isFinal: true };
  }
  const failed = results.find(({ status }) => status === "threw" || status === "timed_out");
  return failed === undefined ? null : { reason: toFailure(failed), isFinal: false };
}

function toFailure({ source }: HookResult): string {
  return source === null ? "Not all could be asked" : `The plugin "${source}" couldn't be asked`;
}

function toReason(text: unknown): string {
  return Array.from(String(text).replaceAll(FORBIDDEN, " ").trim()).slice(0, MAX_REASON).join("");
}
