import { fail } from "../../errors/codes.ts";
import { Requests } from "./requests.ts";

/** What a certificate is asked for with. */
export interface AcmeSettings {
  /** Host names that it is to be for. */
  readonly domains: readonly string[];
  /** Whom the authority may write to. */
  readonly email: string;
  /** URL of the authority's directory (RFC 8555, 7.1.1). */
  readonly directory: string;
  /** The account with the authority that this one is bound to (7.3.4), null where it asks for none. */
  readonly external_account: { readonly key_id: string; readonly hmac_key: string } | null;
}

export interface OrderOptions {
  readonly settings: AcmeSettings;
  /** Of the account, as PEM. */
  readonly accountKey: string;
  /** Has a token answered with a text at port 80 of the domains. */
  readonly addChallenge: (token: string, text: string) => Promise<void>;
  readonly removeChallenge: (token: string) => Promise<void>;
}

/** Why there is no certificate, and for how long none should be asked for. */
export class OrderError extends Error {
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number, cause: unknown) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

const ORDER_MS = 10 * 60_000;
const POLLS = { backoffAttempts: 20, backoffMin: 500, backoffMax: 15_000 };
const TOKEN = /^[A-Za-z0-9_-]{1,256}$/;

/** Makes a key for an account or a certificate, as PEM. */
export async function makeKey(): Promise<string> {
  const { crypto: keys } = await import("acme-client");
  return (await keys.createPrivateEcdsaKey("P-256")).toString();
}

/**
 * Gets a certificate from an authority (RFC 8555), which looks by HTTP whether the domains are this server's (8.3).
 *
 * @throws OrderError with what the authority says
 */
export async function orderCertificate(options: OrderOptions): Promise<{ cert: string; key: string }> {
  const { settings, accountKey } = options;
  const { axios, Client, crypto: keys } = await import("acme-client");
  // Each domain is asked about until it is decided.
  const count = 50 + 2 * POLLS.backoffAttempts * settings.domains.length;
  using requests = new Requests(axios, { count, ms: ORDER_MS });
  const account = settings.external_account;
  try {
    const client = new Client({
      directoryUrl: settings.directory,
      accountKey,
      ...POLLS,
      ...(account && { externalAccountBinding: { kid: account.key_id, hmacKey: account.hmac_key } }),
    });
    const key = await makeKey();
    const [, csr] = await keys.createCsr({ altNames: [...settings.domains] }, key);
    const cert = await client.auto({
      csr,
      email: settings.email,
      termsOfServiceAgreed: true,
      skipChallengeVerification: true, // by the way from here, which may not be that of the authority
      challengePriority: ["http-01"],
      challengeCreateFn: (_authorization, { token }, text) => options.addChallenge(assertToken(token), text),
      challengeRemoveFn: (_authorization, { token }) => options.removeChallenge(assertToken(token)),
    });
    return { cert, key };
  } catch (error) {
    throw new OrderError(toReason(error), requests.limitedMs, error);
  }
}

/** It becomes the name of a file. */
function assertToken(token: string): string {
  if (TOKEN.test(token)) return token;
  throw fail("config_invalid", "Cannot answer a challenge: its token isn't base64url (RFC 8555, 8.3)");
}

function toReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Of a connection that fails to each address of a host.
  const { message, code } = error as NodeJS.ErrnoException;
  return (message === "" ? (code ?? "the authority doesn't answer") : message)
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .slice(0, 1000);
}
