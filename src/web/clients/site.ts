import { createClientAddress, createTrust } from "./address.ts";
import type { CorsOptions } from "./cors.ts";

export { createTrust, toAddressKey } from "./address.ts";

export interface SiteSettings {
  /** Origin that clients know the server by, such as "https://erp.example.com"; null when it isn't configured. */
  readonly publicOrigin: string | null;
  /** Addresses and networks whose `x-forwarded-*` headers are believed. */
  readonly trustedProxies: readonly string[];
  readonly cors: Pick<CorsOptions, "allow_origins" | "allow_credentials">;
}

const OWN_MACHINE = /^https:\/\/(?:[^/]*\.)?(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?(?:\/|$)/;

const NONE = new Headers();

/** How clients reach the server: from where, whether by HTTPS, and which origins its own pages have. */
export class Site {
  #settings: SiteSettings = {
    publicOrigin: null,
    trustedProxies: [],
    cors: { allow_origins: [], allow_credentials: false },
  };
  #isTrusted = createTrust([]);
  #clientAddress = createClientAddress([]);
  /** Address of the other end of a request's connection. The server sets it. */
  connectionOf: (request: Request) => string = () => "";

  configure({ publicOrigin, trustedProxies, cors }: SiteSettings): void {
    this.#settings = { publicOrigin, trustedProxies, cors };
    this.#isTrusted = createTrust(trustedProxies);
    this.#clientAddress = createClientAddress(trustedProxies);
  }

  /** Origin that clients know the server by, such as "https://erp.example.com"; null when it isn't configured. */
  get publicOrigin(): string | null {
    return this.#settings.publicOrigin;
  }

  /** Address of the client of a request under way, behind trusted proxies; "" once it has been answered. */
  addressOf(request: Request): string {
    return this.clientOf(this.connectionOf(request), request);
  }

  /** Address of the client at the other end of a connection, behind trusted proxies. */
  clientOf(connection: string, request: Request): string {
    // Bun makes headers when they are asked for, which takes longer than the rest of this.
    const headers = this.#settings.trustedProxies.length === 0 ? NONE : request.headers;
    return this.#clientAddress(connection, headers);
  }

  /** Whether the browser that sent a request speaks HTTPS, as far as the server can know. */
  isSecure(request: Request): boolean {
    const { publicOrigin } = this.#settings;
    if (publicOrigin?.startsWith("https:") === true || request.url.startsWith("https:")) return true;
    return lastOf(this.#forwarded(request, "x-forwarded-proto")) === "https";
  }

  /**
   * Whether browsers may be told to keep to HTTPS in the answer to a request (RFC 6797, 7.2): it has come by HTTPS, to this
   * server or to a proxy. Not on the machine itself, where other programs listen that have none.
   */
  isKnownSecure(request: Request): boolean {
    const { publicOrigin, trustedProxies } = this.#settings;
    if (request.url.startsWith("https:")) return !OWN_MACHINE.test(request.url);
    const forwarded = lastOf(this.#forwarded(request, "x-forwarded-proto"));
    if (forwarded !== null) return forwarded === "https";
    if (publicOrigin?.startsWith("https:") !== true) return false;
    return trustedProxies.length === 0 || this.#isTrusted(this.connectionOf(request));
  }

  /**
   * Whether a request was sent by a page of this server, or of an origin that may send credentials by
   * `server.cors`. Browsers say so in `Sec-Fetch-Site` (Fetch Metadata), which they send to HTTPS and to their own
   * machine alone, and in `Origin`; no page can set either.
   */
  isOwnRequest(request: Request): boolean {
    const { headers } = request;
    const origin = headers.get("origin");
    const from = headers.get("sec-fetch-site");
    // "none" is somebody's own doing, such as an address that was typed.
    if (from === "same-origin" || from === "none") return true;
    if (origin === null) return false;
    return this.#isLetIn(origin) || (from === null && this.#isOwnOrigin(origin, request));
  }

  #isLetIn(origin: string): boolean {
    const { allow_credentials, allow_origins } = this.#settings.cors;
    return allow_credentials && allow_origins.includes(origin);
  }

  #isOwnOrigin(origin: string, request: Request): boolean {
    const { publicOrigin } = this.#settings;
    if (origin === publicOrigin) return true;
    const from = URL.parse(origin);
    if (from === null || (from.protocol !== "https:" && this.isSecure(request))) return false;
    const forwarded = lastOf(this.#forwarded(request, "x-forwarded-host"));
    return [request.headers.get("host"), forwarded].some((host) => isHost(from, host));
  }

  /** What a header of a proxy says that is trusted; null from anybody else. */
  #forwarded(request: Request, header: string): string | null {
    if (this.#settings.trustedProxies.length === 0) return null;
    const value = request.headers.get(header);
    return value !== null && this.#isTrusted(this.connectionOf(request)) ? value : null;
  }
}

/** Whether a browser asks for a page, or sends a form from one, rather than a script or another program. */
export function isNavigation({ headers }: Request): boolean {
  if (headers.get("accept")?.includes("text/html") !== true || headers.has("hx-request")) return false;
  const mode = headers.get("sec-fetch-mode");
  return mode === null || mode === "navigate";
}

/** Whether a browser has sent a form of a page, which is answered by a page, rather than another client its fields. */
export function isForm(request: Request): boolean {
  const type = request.headers.get("content-type") ?? "";
  return type.startsWith("application/x-www-form-urlencoded") && isNavigation(request);
}

/** Whether a request brings what a user may be known by. */
export function mayBeKnown({ headers }: Request): boolean {
  return headers.has("authorization") || headers.has("x-api-key") || headers.has("cookie");
}

/** What the proxy itself has added, behind what it was sent. */
function lastOf(list: string | null): string | null {
  return list?.split(",").at(-1)?.trim().toLowerCase() ?? null;
}

/** Whether an origin's page stands on this host; a port that goes without saying may be said. */
function isHost(origin: URL, host: string | null): boolean {
  return host !== null && URL.parse(`${origin.protocol}//${host}`)?.host === origin.host;
}
