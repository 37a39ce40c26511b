import { isIP } from "node:net";
import { AppError } from "../../errors/errors.ts";
import type { Site } from "../../web/clients/site.ts";
import { fail } from "../identity/error-codes.ts";

/** Whom a passkey is made for (WebAuthn, "Relying Party"): browsers give it to pages of this origin alone. */
export interface RelyingParty {
  /** Domain, such as "erp.example.com". */
  readonly id: string;
  /** Such as "https://erp.example.com". */
  readonly origin: string;
}

const LOCALHOST = "localhost";

/**
 * Returns whom passkeys of this server are made for: by `server.public_url`, or on the machine itself by "localhost".
 *
 * @throws AppError passkeys_unavailable, with what to set
 */
export function findRelyingParty(
  site: Pick<Site, "publicOrigin" | "isSecure">,
  request: Request,
): RelyingParty {
  const { publicOrigin } = site;
  if (publicOrigin !== null) return toRelyingParty(publicOrigin);
  const scheme = site.isSecure(request) ? "https" : "http";
  const origin = URL.parse(`${scheme}://${request.headers.get("host") ?? ""}`);
  if (origin?.hostname === LOCALHOST) return { id: LOCALHOST, origin: origin.origin };
  const message =
    'Passkeys need to know the domain of this server: set server.public_url, such as "https://erp.example.com"';
  throw fail("passkeys_unavailable", message);
}

/** Returns the domain of the passkeys that browsers give to pages of this server; null where they give none. */
export function findPartyId({ publicOrigin }: Pick<Site, "publicOrigin">): string | null {
  if (publicOrigin === null) return LOCALHOST;
  try {
    return toRelyingParty(publicOrigin).id;
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

/** Whether this server can have passkeys at all. */
export function hasRelyingParty(site: Pick<Site, "publicOrigin" | "isSecure">, request: Request): boolean {
  try {
    findRelyingParty(site, request);
    return true;
  } catch (error) {
    if (error instanceof AppError) return false;
    throw error;
  }
}

function toRelyingParty(publicOrigin: string): RelyingParty {
  const { hostname, protocol, origin } = new URL(publicOrigin);
  const isAddress = isIP(hostname.replaceAll(/^\[|\]$/g, "")) !== 0;
  if (isAddress) throw unusable(publicOrigin, "browsers make passkeys for domains, and not for IP addresses");
  if (protocol !== "https:" && hostname !== LOCALHOST && !hostname.endsWith(`.${LOCALHOST}`))
    throw unusable(publicOrigin, "browsers make passkeys for pages of https: alone");
  return { id: hostname, origin };
}

function unusable(publicOrigin: string, reason: string) {
  return fail("passkeys_unavailable", `Passkeys can't be of server.public_url "${publicOrigin}": ${reason}`);
}
