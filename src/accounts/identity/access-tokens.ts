import type { SecretKey } from "../keys/secret.ts";

const ISSUER = "xcore";
const MAX_LENGTH = 4096; // characters
/** How far the clocks of instances may be apart. */
const LEEWAY_SECONDS = 60;
// The last character of 32 bytes has two bits to spare: of the four that decode alike, only one is taken.
const HS256_TOKEN = /^[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]$/;
const USER_ID = /^[1-9]\d{0,15}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What an access token says. */
export interface AccessClaims {
  readonly userId: number;
  readonly sessionId: string;
  /** In ms since the epoch. */
  readonly expiresAt: number;
}

/** Signs and verifies access tokens. */
export interface AccessTokens {
  /** How long they are valid, in seconds. */
  readonly lifetime: number;
  sign(userId: number, sessionId: string): Promise<string>;
  /** Returns what a token says; null unless it is one of ours, whole and valid now. Says nothing of its session. */
  verify(token: string): Promise<AccessClaims | null>;
}

export interface TokenOptions {
  readonly secretKey: SecretKey;
  /** In seconds. */
  readonly lifetime: number;
  /** @default Date.now */
  readonly now?: () => number;
}

/** Creates the access tokens: JWT with HS256, and nothing else. */
export function createAccessTokens(options: TokenOptions): AccessTokens {
  const tokens = new SignedTokens("at+jwt", options);
  return {
    lifetime: options.lifetime,
    sign: (userId, sessionId) => tokens.sign({ sub: String(userId), sid: sessionId }),
    async verify(token) {
      const claims = await tokens.verify(token);
      if (claims === null) return null;
      const { sub, sid, exp } = claims;
      if (!isUserId(sub) || typeof sid !== "string" || !UUID.test(sid)) return null;
      return { userId: Number(sub), sessionId: sid, expiresAt: exp * 1000 };
    },
  };
}

/** What stands between the two steps of a login. */
export interface OtpClaims {
  readonly userId: number;
  /** Tells the password of the first step from any other: the token is void once the password has changed. */
  readonly fingerprint: string;
  /** Names what a provider's word has begun; left out where a password has. */
  readonly step?: string;
}

/** Signs and verifies what shows that the first step of a login was done; it opens nothing else. */
export interface OtpTokens {
  /** How long they are valid, in seconds. */
  readonly lifetime: number;
  sign(claims: OtpClaims): Promise<string>;
  verify(token: string): Promise<OtpClaims | null>;
}

/** Creates the tokens of logins in two steps. */
export function createOtpTokens(options: TokenOptions): OtpTokens {
  const tokens = new SignedTokens("otp+jwt", options);
  return {
    lifetime: options.lifetime,
    sign: ({ userId, fingerprint, step }) =>
      tokens.sign({ sub: String(userId), fingerprint, ...(step !== undefined && { step }) }),
    async verify(token) {
      const claims = await tokens.verify(token);
      if (claims === null) return null;
      const { sub, fingerprint, step } = claims;
      if (!isUserId(sub) || typeof fingerprint !== "string") return null;
      return { userId: Number(sub), fingerprint, ...(typeof step === "string" && { step }) };
    },
  };
}

type Claims = Readonly<Partial<Record<"sub" | "sid" | "fingerprint" | "step", unknown>>> & {
  readonly exp: number;
};

/** JWTs of one type, each with a key of its own: one type never passes for another. */
class SignedTokens {
  readonly #type: string;
  readonly #lifetime: number;
  readonly #secretKey: SecretKey;
  readonly #now: () => number;
  #jwt: ReturnType<typeof createJwt> | null = null;

  constructor(type: string, { secretKey, lifetime, now = Date.now }: TokenOptions) {
    this.#type = type;
    this.#lifetime = lifetime;
    this.#secretKey = secretKey;
    this.#now = now;
  }

  async sign(claims: Record<string, string>): Promise<string> {
    const tokens = await this.#open();
    return tokens.sign({ ...claims, exp: Math.floor(this.#now() / 1000) + this.#lifetime });
  }

  async verify(token: string): Promise<Claims | null> {
    // Before anything is decoded: what isn't ours costs next to nothing.
    if (token.length > MAX_LENGTH || !HS256_TOKEN.test(token)) return null;
    const tokens = await this.#open();
    const claims = await tokens.verify(token, {
      algorithms: ["HS256"],
      typ: this.#type,
      issuer: ISSUER,
      requiredClaims: ["sub", "exp", "iat"],
      currentDate: new Date(this.#now()),
    });
    if (claims === false || claims.exp === undefined) return null;
    // One that lasts longer than any does was made by a clock that was ahead.
    const latest = this.#now() / 1000 + this.#lifetime + LEEWAY_SECONDS;
    return claims.exp > latest ? null : { ...claims, exp: claims.exp };
  }

  #open(): ReturnType<typeof createJwt> {
    return (this.#jwt ??= createJwt(this.#type, this.#secretKey));
  }
}

/** Loads what signs with the first token that is signed or verified. */
async function createJwt(type: string, secretKey: SecretKey) {
  const { jwt } = await import("@elysiajs/jwt");
  return jwt({ secret: secretKey.deriveKey(`jwt:${type}`), alg: "HS256", typ: type, iss: ISSUER }).decorator
    .jwt;
}

function isUserId(sub: unknown): sub is string {
  return typeof sub === "string" && USER_ID.test(sub) && Number.isSafeInteger(Number(sub));
}
