import { createRemoteJWKSet, customFetch, errors, jwtVerify } from "jose";
import { fail } from "../identity/error-codes.ts";
import { askProvider, providerUnavailable } from "./answers.ts";
import type { RawClaims } from "./claims.ts";

/** How far the clocks may be apart, and how old a token may be, in seconds. */
const TOLERANCE_SECONDS = 60;
const LONGEST_SECONDS = 300;
const ASYMMETRIC = /^(?:RS|PS|ES|Ed)/;

/** Checks who has signed a logout token, and for whom. */
export class LogoutTokens {
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  readonly #checks: NonNullable<Parameters<typeof jwtVerify>[2]>;

  constructor({
    issuer,
    clientId,
    keysUrl,
    algorithms,
  }: {
    readonly issuer: string;
    readonly clientId: string;
    readonly keysUrl: string;
    /** Those that the provider signs with. */
    readonly algorithms: readonly string[];
  }) {
    this.#keys = createRemoteJWKSet(new URL(keysUrl), { [customFetch]: fetchKeys });
    this.#checks = {
      issuer,
      audience: clientId,
      algorithms: algorithms.filter((algorithm) => ASYMMETRIC.test(algorithm)),
      clockTolerance: TOLERANCE_SECONDS,
      maxTokenAge: LONGEST_SECONDS,
      requiredClaims: ["iss", "aud", "iat", "jti", "events"],
    };
  }

  /** @throws AppError logout_token_invalid, provider_unavailable */
  async read(token: string): Promise<RawClaims> {
    try {
      return (await jwtVerify(token, this.#keys, this.#checks)).payload;
    } catch (error) {
      const isTokens = error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout);
      if (!isTokens) throw providerUnavailable(error);
      const message = "The logout token isn't one of this provider's, for this server, of now";
      throw fail("logout_token_invalid", message, { cause: error });
    }
  }
}

function fetchKeys(url: string, { signal }: { readonly signal: AbortSignal }): Promise<Response> {
  return askProvider(url, { signal });
}
