import { createHash } from "node:crypto";
import type { Logger } from "pino";
import { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import { askProvider, providerUnavailable, signInInvalid } from "./answers.ts";
import type { RawClaims } from "./claims.ts";
import type { Asked, ProviderClient, Redeemed } from "./client.ts";
import type { Provider } from "./providers.ts";

const CLOUD = "https://github.com";
const VERSION = "2022-11-28";

/**
 * Speaks with GitHub, which has OAuth 2 and an API in the place of OpenID Connect. What it says of somebody is put as claims:
 * `sub` is the id of the account, for a login may be given to somebody else, `email` the primary one, `orgs` the
 * organizations where the scope `read:org` lets it tell.
 */
export class GithubClient implements ProviderClient {
  readonly #provider: Provider;
  readonly #log: Logger;

  constructor(provider: Provider, log: Logger) {
    this.#provider = provider;
    this.#log = log;
  }

  authorize({ redirectUri, state, verifier, isFresh }: Asked): Promise<URL> {
    const { clientId, scopes } = this.#provider;
    const url = new URL(`${this.#site()}/login/oauth/authorize`);
    url.search = new URLSearchParams({
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: scopes.join(" "),
      state,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      ...(isFresh && { prompt: "select_account" }),
    }).toString();
    return Promise.resolve(url);
  }

  async redeem(query: string, asked: Asked): Promise<Redeemed> {
    const answer = new URLSearchParams(query);
    const [code, ...others] = answer.getAll("code");
    // It names itself nowhere: who does is another one (RFC 9207).
    if (answer.get("state") !== asked.state || others.length > 0 || answer.has("iss"))
      throw signInInvalid("This isn't the answer to how you began to sign in: sign in again");
    if (answer.has("error"))
      throw fail("provider_refused", "The provider doesn't let you sign in, or you have cancelled it");
    if (code === undefined) throw signInInvalid("The provider's answer has no code: sign in again");
    try {
      const token = await this.#exchange(code, asked);
      return { issuer: this.#site(), claims: await this.#identify(token), idToken: null };
    } catch (error) {
      if (error instanceof AppError) throw error;
      const { id } = this.#provider;
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.warn({ provider: id, reason }, "A provider's answer to signing in isn't taken");
      throw providerUnavailable(error);
    }
  }

  toEndSession(): Promise<null> {
    return Promise.resolve(null);
  }

  readLogoutToken(): Promise<never> {
    throw fail("logout_token_invalid", "This provider sends no logout tokens");
  }

  async #exchange(code: string, { redirectUri, verifier }: Asked): Promise<string> {
    const { clientId, clientSecret } = this.#provider;
    const body = new URLSearchParams({
      client_id: clientId,
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
      ...(clientSecret !== null && { client_secret: clientSecret }),
    });
    const headers = {
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
      "user-agent": "xcore",
    };
    const url = `${this.#site()}/login/oauth/access_token`;
    const answer = await readObject(
      await askProvider(url, { method: "POST", headers, body: body.toString() }),
    );
    // Errors are answered with 200.
    if (answer["error"] === "bad_verification_code")
      throw signInInvalid("What the provider has answered isn't valid, or was used before: sign in again");
    const { access_token: token, token_type: type } = answer;
    if (typeof token !== "string" || token === "" || String(type).toLowerCase() !== "bearer")
      throw new Error(`GitHub gives no token: ${JSON.stringify(answer["error"] ?? null)}`);
    return token;
  }

  async #identify(token: string): Promise<RawClaims> {
    const { id, name, login } = await readObject(await this.#ask("/user", token));
    if (!Number.isSafeInteger(id) || Number(id) < 1) throw new Error("GitHub says of nobody who they are");
    const emails = await readList(await this.#ask("/user/emails?per_page=100", token));
    const primary = emails.find((one) => one["primary"] === true);
    const groups = this.#provider.scopes.includes("read:org")
      ? (await readList(await this.#ask("/user/orgs?per_page=100", token))).map((one) => one["login"])
      : undefined;
    return {
      sub: String(id),
      name: name ?? login,
      preferred_username: login,
      email: primary?.["email"],
      email_verified: primary?.["verified"] === true,
      ...(groups && { orgs: groups }),
    };
  }

  #ask(path: string, token: string): Promise<Response> {
    const site = this.#site();
    const api = site === CLOUD ? "https://api.github.com" : `${site}/api/v3`;
    const headers = {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${token}`,
      "user-agent": "xcore",
      "x-github-api-version": VERSION,
    };
    return askProvider(api + path, { headers });
  }

  #site(): string {
    return this.#provider.issuer.replace(/\/+$/, "");
  }
}

async function readObject(response: Response): Promise<RawClaims> {
  const value = await readJson(response);
  if (isObject(value)) return value;
  throw new Error("GitHub answers with something else than an object");
}

async function readList(response: Response): Promise<RawClaims[]> {
  const value = await readJson(response);
  if (Array.isArray(value)) return value.filter(isObject);
  throw new Error("GitHub answers with something else than a list");
}

async function readJson(response: Response): Promise<unknown> {
  if (response.status !== 200) throw new Error(`GitHub answers with status ${response.status}`);
  return response.json();
}

function isObject(value: unknown): value is RawClaims {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
