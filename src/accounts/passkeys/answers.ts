import { Value } from "@sinclair/typebox/value";
import { t } from "elysia";
import { fail } from "../../errors/codes.ts";

const Base64Url = (maxLength: number) => t.String({ pattern: "^[A-Za-z0-9_-]+$", minLength: 1, maxLength });
/** Authenticators make ids of at most 1023 bytes. */
const CredentialId = Base64Url(1364);
const MAX_CLIENT_DATA = 4096;
const MAX_AUTHENTICATOR_DATA = 2048;

/** What a browser answers a challenge with: `credential.toJSON()` (WebAuthn 3, AuthenticationResponseJSON). */
export const PasskeyAnswer = t.Object(
  {
    id: CredentialId,
    rawId: CredentialId,
    type: t.Literal("public-key"),
    response: t.Object({
      clientDataJSON: Base64Url(MAX_CLIENT_DATA),
      authenticatorData: Base64Url(MAX_AUTHENTICATOR_DATA),
      signature: Base64Url(MAX_AUTHENTICATOR_DATA),
      userHandle: t.Optional(t.Nullable(t.String({ maxLength: 128 }))),
    }),
  },
  { description: "What navigator.credentials.get() gives, as its toJSON() says it" },
);
export type PasskeyAnswer = typeof PasskeyAnswer.static;

/** What a browser has made: `credential.toJSON()` (WebAuthn 3, RegistrationResponseJSON). */
export const NewPasskeyAnswer = t.Object(
  {
    id: CredentialId,
    rawId: CredentialId,
    type: t.Literal("public-key"),
    response: t.Object({
      clientDataJSON: Base64Url(MAX_CLIENT_DATA),
      // Certificates of its maker are in it where a browser sends them unasked.
      attestationObject: Base64Url(32_768),
      transports: t.Optional(t.Array(t.String({ maxLength: 32 }), { maxItems: 16 })),
    }),
  },
  { description: "What navigator.credentials.create() gives, as its toJSON() says it" },
);
export type NewPasskeyAnswer = typeof NewPasskeyAnswer.static;

/** A passkey that a browser may use, or must not make again. */
const Known = t.Object({
  id: t.String(),
  type: t.Literal("public-key"),
  transports: t.Array(t.String()),
});

/** For `PublicKeyCredential.parseRequestOptionsFromJSON()`. */
export const RequestOptions = t.Object({
  challenge: t.String({ description: "Good for ten minutes, once" }),
  rpId: t.String(),
  timeout: t.Integer({ description: "In ms" }),
  userVerification: t.String(),
  allowCredentials: t.Array(Known, { description: "Empty: any of its owner's" }),
});
export type RequestOptions = typeof RequestOptions.static;

/** For `PublicKeyCredential.parseCreationOptionsFromJSON()`. */
export const CreationOptions = t.Object({
  challenge: t.String({ description: "Good for ten minutes, once" }),
  rp: t.Object({ id: t.String(), name: t.String() }),
  user: t.Object({ id: t.String(), name: t.String(), displayName: t.String() }),
  pubKeyCredParams: t.Array(t.Object({ type: t.Literal("public-key"), alg: t.Integer() })),
  timeout: t.Integer({ description: "In ms" }),
  excludeCredentials: t.Array(Known),
  authenticatorSelection: t.Object({
    residentKey: t.String(),
    requireResidentKey: t.Boolean(),
    userVerification: t.String(),
  }),
  attestation: t.String(),
});
export type CreationOptions = typeof CreationOptions.static;

/** The same as a page's script puts it into a field of a form: as JSON. */
export const AnswerField = t.String({ maxLength: 16_384 });
const NOT_ANSWERED = "The browser hasn't answered with a passkey: try again";

/** Reads what a field of a form holds. @throws AppError validation_error */
export function readAnswer(field: string | PasskeyAnswer): PasskeyAnswer {
  const value = typeof field === "string" ? parse(field) : field;
  if (Value.Check(PasskeyAnswer, value)) return value;
  throw fail("validation_error", NOT_ANSWERED);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
