import { assertPermission } from "../identity/guards.ts";
import type { Principal } from "../identity/principal.ts";
import { requireSession } from "../identity/session-owner.ts";
import type { CoreStore } from "../people/store.ts";
import { EVERYTHING } from "../rights/builtin-roles.ts";
import { assertIdentifiedLately } from "../two-factor/enrolment.ts";

/**
 * Makes sure that somebody may bring code into the server: code can do everything, and so must they. An API key never
 * may, and who asks has given a code just before, or the password without two factors.
 *
 * @param principal as they are now
 * @param options.isDryRun whether they only look: that takes neither
 * @throws AppError authorization_error, otp_required, otp_expired, identification_expired
 */
export async function assertMayChangeCode(
  { db, tables }: CoreStore,
  principal: Principal,
  { isDryRun }: { readonly isDryRun: boolean },
): Promise<void> {
  assertPermission(principal, EVERYTHING);
  const sessionId = requireSession(principal);
  if (isDryRun) return;
  await assertIdentifiedLately(db, tables, { userId: principal.user.id, sessionId, nowMs: Date.now() });
}
