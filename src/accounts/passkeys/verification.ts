import type { RelyingParty } from "./relying-party.ts";
import type { NewPasskeyAnswer, PasskeyAnswer } from "./answers.ts";

/** Signatures that passkeys may have (COSE): Ed25519, ECDSA with P-256, RSA with SHA-256. "none" isn't one. */
export const ALGORITHMS = [-8, -7, -257];

const TRANSPORTS = ["ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"] as const;
type Transport = (typeof TRANSPORTS)[number];

/** What is kept of a passkey that was made. */
export interface MadePasskey {
  readonly credentialId: string;
  readonly publicKey: string;
  readonly signCount: number;
  readonly isSynced: boolean;
  readonly transports: readonly Transport[];
}

/** Passkeys are for those who have them: others don't load what checks them. */
function loadLibrary() {
  return import("@simplewebauthn/server");
}

/** Reads the challenge that an answer is to, "" for what holds none. */
export function challengeOf({ response }: PasskeyAnswer | NewPasskeyAnswer): string {
  try {
    const data: unknown = JSON.parse(Buffer.from(response.clientDataJSON, "base64url").toString());
    const challenge = (data as { challenge?: unknown } | null)?.challenge;
    return typeof challenge === "string" ? challenge : "";
  } catch {
    return "";
  }
}

/**
 * Returns the passkey that a browser has made for this party and challenge, once its owner has shown that it is them;
 * null for any other answer (WebAuthn 3, 7.1).
 */
export async function readNewPasskey(
  answer: NewPasskeyAnswer,
  { party, challenge }: { readonly party: RelyingParty; readonly challenge: string },
): Promise<MadePasskey | null> {
  const { verifyRegistrationResponse } = await loadLibrary();
  const { id, rawId, type, response } = answer;
  const { verified, registrationInfo } = await verifyRegistrationResponse({
    response: { id, rawId, type, response: { ...response, transports: [] }, clientExtensionResults: {} },
    expectedChallenge: challenge,
    expectedOrigin: party.origin,
    expectedRPID: party.id,
    requireUserVerification: true,
    supportedAlgorithmIDs: ALGORITHMS,
  }).catch(toUnverified);
  if (!verified || registrationInfo === undefined) return null;
  const { credential, credentialBackedUp } = registrationInfo;
  return {
    credentialId: credential.id,
    publicKey: Buffer.from(credential.publicKey).toString("base64url"),
    signCount: credential.counter,
    isSynced: credentialBackedUp,
    transports: TRANSPORTS.filter((transport) => response.transports?.includes(transport) === true),
  };
}

/**
 * Returns what a passkey has signed for this party and challenge, once its owner has shown that it is them; null where the
 * signature, or what it is of, isn't right (WebAuthn 3, 7.2). How often it has signed is left to the caller.
 */
export async function readSignature(
  { id, rawId, type, response }: PasskeyAnswer,
  {
    party,
    challenge,
    publicKey,
  }: { readonly party: RelyingParty; readonly challenge: string; readonly publicKey: string },
): Promise<{ readonly signCount: number; readonly isSynced: boolean } | null> {
  const { verifyAuthenticationResponse } = await loadLibrary();
  const { userHandle, ...signed } = response;
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({
    response: {
      id,
      rawId,
      type,
      response: { ...signed, ...(typeof userHandle === "string" && { userHandle }) },
      clientExtensionResults: {},
    },
    expectedChallenge: challenge,
    expectedOrigin: party.origin,
    expectedRPID: party.id,
    requireUserVerification: true,
    credential: { id, publicKey: new Uint8Array(Buffer.from(publicKey, "base64url")), counter: 0 },
  }).catch(toUnverified);
  if (!verified || authenticationInfo === undefined) return null;
  return { signCount: authenticationInfo.newCounter, isSynced: authenticationInfo.credentialBackedUp };
}

/** The library throws at what doesn't fit, whatever that is. */
function toUnverified(): { readonly verified: false; registrationInfo?: never; authenticationInfo?: never } {
  return { verified: false };
}
