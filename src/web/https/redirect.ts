import { covers } from "../listening/certificate.ts";

/** Where clients are sent on to. */
export interface SecureSite {
  /** Origin of `server.public_url` where that is HTTPS, null otherwise. */
  readonly origin: string | null;
  /** Names of the certificate, in small letters. */
  readonly names: readonly string[];
  /** Where HTTPS is listened on. */
  readonly port: number;
}

export interface RedirectOptions {
  readonly hostname: string;
  readonly port: number;
  /** Whether other processes listen there too. */
  readonly isShared: boolean;
  /** Where clients are sent on to now. */
  readonly site: () => SecureSite;
  /** Answers a challenge of an authority that issues certificates (RFC 8555, 8.3), by its token; null for an unknown one. */
  readonly answerChallenge: (token: string) => Promise<string | null>;
}

const CHALLENGE = "/.well-known/acme-challenge/";
const TOKEN = /^[A-Za-z0-9_-]{1,256}$/;
const IDLE_TIMEOUT = 10; // seconds

/**
 * Listens for HTTP and sends each request on to HTTPS. The host that a request names is only kept where it is the server's
 * own: anybody can have a browser name another.
 *
 * @throws Error with the code of the system call, such as EADDRINUSE
 */
export function serveRedirects({
  hostname,
  port,
  isShared,
  site,
  answerChallenge,
}: RedirectOptions): Bun.Server<undefined> {
  return Bun.serve({
    hostname,
    port,
    reusePort: isShared,
    idleTimeout: IDLE_TIMEOUT,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER, // it is never read
    development: false,
    async fetch(request) {
      const { host, pathname, search } = new URL(request.url);
      if (pathname.startsWith(CHALLENGE))
        return answerToken(pathname.slice(CHALLENGE.length), answerChallenge);
      const origin = toSecureOrigin(host, site());
      if (origin === null) return refuse(421, "This server has no such host");
      const location = origin + pathname + search;
      // What follows on the connection is a body that nobody waits for.
      return new Response(null, { status: 308, headers: { location, connection: "close" } });
    },
    error: () => refuse(400, "Use HTTPS"),
  });
}

/** Returns the origin that the request of a host is sent on to; null where there is none to trust. */
export function toSecureOrigin(host: string, { origin, names, port }: SecureSite): string | null {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  const at = port === 443 ? "" : `:${port}`;
  const known = origin === null ? null : new URL(origin);
  if (known?.hostname === name) return known.origin;
  const plain = name.replace(/^\[(.*)\]$/, "$1"); // a certificate names IPv6 without brackets
  if (names.some((one) => covers(one, plain))) return `https://${name}${at}`;
  return known?.origin ?? null;
}

async function answerToken(token: string, answer: RedirectOptions["answerChallenge"]): Promise<Response> {
  const text = TOKEN.test(token) ? await answer(token) : null;
  if (text === null) return refuse(404, "No challenge is under way");
  return new Response(text, { headers: { "content-type": "application/octet-stream" } });
}

function refuse(status: number, text: string): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain;charset=utf-8" } });
}
