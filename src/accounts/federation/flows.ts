import type { Site } from "../../web/clients/site.ts";
import { makeToken } from "../keys/opaque-tokens.ts";
import { fail } from "../identity/error-codes.ts";
import type { SecretBox } from "../keys/secret-box.ts";
import { signInInvalid } from "./answers.ts";
import type { AppReturn } from "./apps.ts";
import type { Asked } from "./client.ts";

/** What a browser is sent to a provider for: to sign in, to link who it is there to its account, to show who it is again. */
export type FlowPurpose = "enter" | "link" | "verify";

/** A way to a provider and back, which one browser is on. */
export interface Flow extends Asked {
  readonly provider: string;
  readonly purpose: FlowPurpose;
  /** Where to go on to: a path of this server. */
  readonly next: string;
  /** The session that it was begun in; null for one to sign in. */
  readonly sessionId: string | null;
  /** The token of an invitation that it is to accept; null for none. */
  readonly invitation: string | null;
  /** The app that has begun; null for a browser that goes on here. */
  readonly app: AppReturn | null;
  /** In ms since the epoch. */
  readonly expiresAt: number;
}

/** How long somebody may take at the provider, in ms. */
export const FLOW_MS = 15 * 60_000;

const CONTEXT = "identity flow";
const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])$/;

/** Names of cookies that last as long as somebody is on the way. */
export type WayCookie = "xcore_flow" | "xcore_identity";

/** Begins a way to a provider. */
export function beginFlow(
  flow: Pick<Flow, "provider" | "purpose" | "next" | "sessionId" | "invitation" | "app" | "redirectUri">,
): Flow {
  return {
    ...flow,
    state: makeToken(),
    nonce: makeToken(),
    verifier: makeToken(),
    isFresh: flow.purpose === "verify",
    expiresAt: Date.now() + FLOW_MS,
  };
}

/** Returns the header that gives a browser what it has to come back with. */
export async function toFlowCookie(box: SecretBox, flow: Flow, isSecure: boolean): Promise<string> {
  return toWayCookie("xcore_flow", await box.seal(JSON.stringify(flow), CONTEXT), { isSecure });
}

/** Returns which way a browser is on. @throws AppError sign_in_invalid */
export async function readFlow(
  box: SecretBox,
  request: Request,
  { provider, isSecure }: { readonly provider: string; readonly isSecure: boolean },
): Promise<Flow> {
  const sealed = readWayCookie("xcore_flow", request, isSecure);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- sealed by `toFlowCookie`
  const flow = sealed && (JSON.parse(await box.open(sealed, CONTEXT).catch(() => "null")) as Flow | null);
  if (!flow || flow.provider !== provider || flow.expiresAt <= Date.now())
    throw signInInvalid("This browser hasn't begun to sign in here, or too long ago: sign in again");
  return flow;
}

/** Returns the header that gives a browser a cookie, or with "" takes it: of this host alone, and not sent by other sites' forms. */
export function toWayCookie(
  name: WayCookie,
  value: string,
  { isSecure }: { readonly isSecure: boolean },
): string {
  const maxAge = value === "" ? 0 : FLOW_MS / 1000;
  const attributes = `Path=/; Max-Age=${maxAge}; HttpOnly; SameSite=Lax`;
  return isSecure ? `__Host-${name}=${value}; ${attributes}; Secure` : `${name}=${value}; ${attributes}`;
}

/** Returns the value of such a cookie; null for none, and for two, one of which another host has set. */
export function readWayCookie(name: WayCookie, { headers }: Request, isSecure: boolean): string | null {
  const start = `${isSecure ? "__Host-" : ""}${name}=`;
  const found = (headers.get("cookie") ?? "").split(/;\s*/).filter((cookie) => cookie.startsWith(start));
  return found.length === 1 ? (found[0]?.slice(start.length) ?? null) : null;
}

/**
 * Returns where providers send browsers back to: below `server.public_url`, or on the machine itself below the host that was
 * asked for. A host that a request names is no place to send codes to.
 *
 * @throws AppError public_url_missing
 */
export function toPublicUrl(
  { publicUrl, site }: { readonly publicUrl: string | null; readonly site: Pick<Site, "isSecure"> },
  request: Request,
  path: string,
): string {
  if (publicUrl !== null) return publicUrl.replace(/\/+$/, "") + path;
  const scheme = site.isSecure(request) ? "https" : "http";
  const origin = URL.parse(`${scheme}://${request.headers.get("host") ?? ""}`);
  if (origin !== null && LOOPBACK.test(origin.hostname)) return origin.origin + path;
  const message =
    'Signing in by a provider needs to know the address of this server: set server.public_url, such as "https://erp.example.com"';
  throw fail("public_url_missing", message);
}
