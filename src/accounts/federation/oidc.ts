import type * as OpenId from "openid-client";
import type { Logger } from "pino";
import { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import { askProvider, providerUnavailable, signInInvalid, TIMEOUT_SECONDS } from "./answers.ts";
import { claimsOf, type RawClaims, readClaim } from "./claims.ts";
import type { Asked, ProviderClient, Redeemed } from "./client.ts";
import type { LogoutTokens } from "./logout-tokens.ts";
import type { Provider } from "./providers.ts";

type Library = typeof OpenId;
type Configuration = InstanceType<Library["Configuration"]>;

/** What was discovered of a provider, and when, in ms of a clock that goes on. */
interface Discovered {
  readonly configuration: Configuration;
  readonly at: number;
}

/** After so long it is asked for anew; what there is goes on counting while that fails. */
const FRESH_MS = 3_600_000;
/** After a failure nobody waits for another one. */
const PAUSE_MS = 5000;
/** What is wrong with an answer, rather than with the provider. */
const INVALID = new Set([
  "OAUTH_INVALID_RESPONSE",
  "OAUTH_JWT_TIMESTAMP_CHECK_FAILED",
  "OAUTH_JWT_CLAIM_COMPARISON_FAILED",
  "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED",
  "OAUTH_KEY_SELECTION_FAILED",
  "OAUTH_UNSUPPORTED_OPERATION",
]);

/**
 * Speaks OpenID Connect with a provider: code flow with PKCE, state, nonce and the issuer's name in each answer (RFC 9207),
 * and ID tokens with a signature that its keys have made.
 */
export class OidcClient implements ProviderClient {
  readonly #provider: Provider;
  readonly #log: Logger;
  readonly #now: () => number;
  #discovered: Discovered | null = null;
  #discovering: Promise<Configuration> | null = null;
  #failure: { readonly error: AppError; readonly at: number } | null = null;
  #logoutTokens: LogoutTokens | null = null;

  /** @param now in ms, of a clock that goes on */
  constructor(provider: Provider, log: Logger, now = () => performance.now()) {
    this.#provider = provider;
    this.#log = log;
    this.#now = now;
  }

  async authorize({ redirectUri, state, nonce, verifier, isFresh }: Asked): Promise<URL> {
    const library = await loadLibrary();
    const configuration = await this.#discover();
    const asked = {
      redirect_uri: redirectUri,
      scope: this.#provider.scopes.join(" "),
      state,
      nonce,
      code_challenge: await library.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      ...(isFresh && { prompt: "login" }),
    };
    try {
      return library.buildAuthorizationUrl(configuration, asked);
    } catch (error) {
      throw this.#explain(library, error);
    }
  }

  async redeem(query: string, { redirectUri, state, nonce, verifier }: Asked): Promise<Redeemed> {
    const library = await loadLibrary();
    const configuration = await this.#discover();
    try {
      const tokens = await library.authorizationCodeGrant(configuration, new URL(`${redirectUri}?${query}`), {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      });
      const own = tokens.claims();
      if (own === undefined) throw signInInvalid("The provider's answer has no ID token");
      const claims = await this.#complete(library, configuration, { own, accessToken: tokens.access_token });
      return { issuer: own.iss, claims, idToken: tokens.id_token ?? null };
    } catch (error) {
      throw this.#explain(library, error);
    }
  }

  async toEndSession(idToken: string, backTo: string): Promise<URL | null> {
    const configuration = await this.#discover();
    if (configuration.serverMetadata().end_session_endpoint === undefined) return null;
    const library = await loadLibrary();
    const asked = { id_token_hint: idToken, post_logout_redirect_uri: backTo };
    try {
      return library.buildEndSessionUrl(configuration, asked);
    } catch (error) {
      throw this.#explain(library, error);
    }
  }

  async readLogoutToken(token: string): Promise<RawClaims> {
    const configuration = await this.#discover();
    const {
      issuer,
      jwks_uri,
      id_token_signing_alg_values_supported: supported,
    } = configuration.serverMetadata();
    if (jwks_uri === undefined) throw providerUnavailable(new Error("The provider has no keys"));
    const { LogoutTokens } = await import("./logout-tokens.ts");
    const { clientId } = this.#provider;
    this.#logoutTokens ??= new LogoutTokens({
      issuer,
      clientId,
      keysUrl: jwks_uri,
      algorithms: supported ?? ["RS256"],
    });
    return this.#logoutTokens.read(token);
  }

  /** Asks for what the ID token leaves out: a provider may tell it at its userinfo endpoint alone. */
  async #complete(
    library: Library,
    configuration: Configuration,
    {
      own,
      accessToken,
    }: { readonly own: RawClaims & { readonly sub: string }; readonly accessToken: string },
  ): Promise<RawClaims> {
    const wanted = ["email", "email_verified", ...claimsOf(this.#provider)];
    const isWhole = wanted.every((claim) => readClaim(own, claim) !== undefined);
    if (isWhole || configuration.serverMetadata().userinfo_endpoint === undefined) return own;
    const told = await library.fetchUserInfo(configuration, accessToken, own.sub);
    const claims: RawClaims = { ...told, ...own };
    // That one email is verified says nothing of another.
    const isOfBoth = [own["email"], told.email].includes(undefined) || own["email"] === told.email;
    return isOfBoth ? claims : { ...claims, email_verified: own["email_verified"] };
  }

  /** Of several that ask at once, one goes. */
  async #discover(): Promise<Configuration> {
    const now = this.#now();
    const known = this.#discovered;
    if (known !== null && now - known.at < FRESH_MS) return known.configuration;
    const failure = this.#failure;
    if (failure !== null && now - failure.at < PAUSE_MS) {
      if (known === null) throw failure.error;
      return known.configuration;
    }
    this.#discovering ??= this.#ask().finally(() => (this.#discovering = null));
    return this.#discovering;
  }

  async #ask(): Promise<Configuration> {
    const library = await loadLibrary();
    const { clientId, clientSecret, issuer } = this.#provider;
    const isLocal = issuer.startsWith("http:");
    try {
      const configuration = await library.discovery(
        new URL(issuer),
        clientId,
        clientSecret === null ? {} : { client_secret: clientSecret },
        clientSecret === null ? library.None() : bySecret(library, clientSecret),
        {
          timeout: TIMEOUT_SECONDS,
          [library.customFetch]: askProvider as NonNullable<Configuration[typeof library.customFetch]>,
          execute: [library.enableNonRepudiationChecks, ...(isLocal ? [library.allowInsecureRequests] : [])],
        },
      );
      this.#discovered = { configuration, at: this.#now() };
      this.#failure = null;
      this.#logoutTokens = null;
      return configuration;
    } catch (error) {
      const unavailable = providerUnavailable(error);
      this.#failure = { error: unavailable, at: this.#now() };
      const { id } = this.#provider;
      this.#log.warn(
        { provider: id, ...toReason(error) },
        "A provider to sign in by can't be asked what it is",
      );
      if (this.#discovered === null) throw unavailable;
      return this.#discovered.configuration;
    }
  }

  #explain(library: Library, error: unknown): AppError {
    if (error instanceof AppError) return error;
    if (error instanceof library.AuthorizationResponseError)
      return fail("provider_refused", "The provider doesn't let you sign in, or you have cancelled it", {
        cause: error,
      });
    const isInvalid =
      error instanceof library.ResponseBodyError
        ? error.error === "invalid_grant"
        : error instanceof library.ClientError && INVALID.has(error.code ?? "");
    const { id } = this.#provider;
    this.#log.warn({ provider: id, ...toReason(error) }, "A provider's answer to signing in isn't taken");
    return isInvalid
      ? signInInvalid("What the provider has answered isn't valid, or was used before: sign in again", error)
      : providerUnavailable(error);
  }
}

function loadLibrary(): Promise<Library> {
  return import("openid-client");
}

/** Shows the secret as the provider takes it; where it doesn't say, as OpenID Connect has it (Discovery, 3). */
function bySecret(
  { ClientSecretBasic, ClientSecretPost }: Library,
  secret: string,
): ReturnType<Library["None"]> {
  const [basic, post] = [ClientSecretBasic(secret), ClientSecretPost(secret)];
  return (server, ...rest) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
    const show = methods.includes("client_secret_basic") ? basic : post;
    return show(server, ...rest);
  };
}

/** What the log may have of an error: its causes hold answers, and those hold tokens. */
function toReason(error: unknown): Record<string, unknown> {
  const {
    message,
    code,
    error: named,
    error_description: description,
    cause,
  } = error as Record<string, unknown>;
  return {
    reason: message,
    code,
    error: named,
    description,
    ...(cause instanceof Error && { cause: cause.message }),
  };
}
