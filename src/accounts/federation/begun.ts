import { eq } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { OtpTokens } from "../identity/access-tokens.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import type { SecretBox } from "../keys/secret-box.ts";
import { type Entry, type OtpChallenge, toFingerprint, tooLate } from "../login/login.ts";
import type { CoreStore } from "../people/store.ts";
import type { Account } from "../people/users.ts";
import type { IdentityStates } from "./states.ts";

/** A sign-in that a provider's word has begun: what is noted of it once there is a session. */
export interface Begun {
  readonly provider: string;
  readonly identityId: number;
  readonly email: string | null;
  readonly sid: string | null;
  readonly idToken: string | null;
  /** In ms since the epoch, as the next one. */
  readonly endsAt: number | null;
  readonly identifiedAt: number | null;
}

interface Services {
  readonly store: CoreStore;
  readonly states: IdentityStates;
  readonly box: SecretBox;
}

/** Returns how somebody is let in whose sign-in was begun so. @param step by what it is kept; null for one that isn't */
export function toEntry(services: Services, begun: Begun, step: string | null): Omit<Entry, "hasOtp"> {
  const { endsAt, identifiedAt, provider } = begun;
  return {
    details: { provider },
    session: {
      endsAt: endsAt === null ? null : new Date(endsAt),
      identifiedAt: identifiedAt === null ? null : new Date(identifiedAt),
    },
    note: (tx, sessionId) => note(tx, services, { begun, sessionId, step }),
  };
}

/** Returns what asks for the second factor of an account. @param step by what is kept what was begun */
export async function toChallenge(
  otpTokens: OtpTokens,
  account: Account,
  step: string,
): Promise<OtpChallenge> {
  const { id: userId } = account;
  const otp_token = await otpTokens.sign({ userId, fingerprint: toFingerprint(account), step });
  return { otp_required: true, otp_token, expires_in: otpTokens.lifetime };
}

async function note(
  tx: Transaction,
  { store, states, box }: Services,
  {
    begun,
    sessionId,
    step,
  }: { readonly begun: Begun; readonly sessionId: string; readonly step: string | null },
): Promise<void> {
  const { identities, identitySessions } = store.tables;
  if (step !== null && !(await states.end(tx, step))) throw tooLate();
  const { identityId, provider, email, sid, idToken } = begun;
  const used = { provider, email, last_used_at: new Date() };
  const { rowsAffected } = await tx.update(identities).set(used).where(eq(identities.id, identityId));
  // Unlinked meanwhile.
  if (rowsAffected === 0) throw tooLate();
  await tx.insert(identitySessions).values({
    session_id: sessionId,
    identity_id: identityId,
    sid_hash: sid === null ? null : hashToken(sid),
    id_token: idToken === null ? null : await box.seal(idToken, sessionId),
  });
}
