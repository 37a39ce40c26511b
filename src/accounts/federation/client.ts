import type { RawClaims } from "./claims.ts";

/** What a browser is sent to a provider with. */
export interface Asked {
  /** Where the provider sends the browser back to. */
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  /** Of PKCE (RFC 7636). */
  readonly verifier: string;
  /** Whether the provider has to ask who they are anew, whoever it knows already. */
  readonly isFresh: boolean;
}

/** What a provider says of whoever a browser has brought a code of. */
export interface Redeemed {
  readonly issuer: string;
  readonly claims: RawClaims;
  /** What the provider is told by whose session is to end; null where it takes none. */
  readonly idToken: string | null;
}

/** A provider, as this server speaks with it. */
export interface ProviderClient {
  /** Returns where to send a browser. @throws AppError provider_unavailable */
  authorize(asked: Asked): Promise<URL>;
  /**
   * Exchanges the code that a browser has brought, and asks who that is.
   *
   * @param query what the browser has brought
   * @throws AppError sign_in_invalid, provider_refused, provider_unavailable
   */
  redeem(query: string, asked: Asked): Promise<Redeemed>;
  /** Returns where a browser ends the session of the provider; null where it has no such place. @throws AppError provider_unavailable */
  toEndSession(idToken: string, backTo: string): Promise<URL | null>;
  /** Returns what a logout token says, once its signature is checked. @throws AppError logout_token_invalid, provider_unavailable */
  readLogoutToken(token: string): Promise<RawClaims>;
}
