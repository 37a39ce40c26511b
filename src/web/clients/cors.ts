export interface CorsOptions {
  /** Origins such as "https://app.example.com"; "*" for any. Empty: no CORS headers at all. */
  readonly allow_origins: readonly string[];
  readonly allow_credentials: boolean;
  /** Methods, or "*" for whatever the browser asks for. */
  readonly allow_methods: readonly string[];
  /** Request headers, or "*" for whatever the browser asks for. */
  readonly allow_headers: readonly string[];
}

/** Headers of the server's own that scripts may read. */
const EXPOSED = ["x-request-id", "ratelimit", "ratelimit-policy", "retry-after"];
const PREFLIGHT_MAX_AGE = "600"; // seconds

/**
 * Answers a CORS preflight (Fetch standard), but for what `allowOrigin` adds to every response; null when the
 * request isn't one or its origin isn't allowed.
 */
export function answerPreflight(request: Request, options: CorsOptions): Response | null {
  const method = request.headers.get("access-control-request-method");
  if (request.method !== "OPTIONS" || method === null) return null;
  if (!isAllowed(request.headers.get("origin"), options)) return null;
  const response = new Response(null, { status: 204 });
  const asked = request.headers.get("access-control-request-headers");
  const headers = options.allow_headers.includes("*") ? asked : options.allow_headers.join(", ");
  response.headers.set(
    "access-control-allow-methods",
    options.allow_methods.includes("*") ? method : options.allow_methods.join(", "),
  );
  if (headers) response.headers.set("access-control-allow-headers", headers);
  response.headers.set("access-control-max-age", PREFLIGHT_MAX_AGE);
  response.headers.set("vary", "access-control-request-method, access-control-request-headers");
  return response;
}

/** Adds the headers that let an allowed origin read the response to what its handler has set. */
export function allowOrigin(request: Request, headers: Headers, options: CorsOptions): void {
  const anyOrigin = options.allow_origins.includes("*");
  if (!anyOrigin) appendName(headers, "vary", "origin");
  const origin = request.headers.get("origin");
  if (!isAllowed(origin, options) || headers.has("access-control-allow-origin")) return;
  headers.set("access-control-allow-origin", anyOrigin ? "*" : origin);
  for (const name of EXPOSED) {
    if (headers.has(name)) appendName(headers, "access-control-expose-headers", name);
  }
  if (options.allow_credentials && !headers.has("access-control-allow-credentials"))
    headers.set("access-control-allow-credentials", "true");
}

function isAllowed(origin: string | null, { allow_origins }: CorsOptions): origin is string {
  return origin !== null && (allow_origins.includes("*") || allow_origins.includes(origin));
}

/** Adds a name to a list of names, such as `vary` (RFC 9110, 12.5.5), keeping what is there. */
function appendName(headers: Headers, list: string, name: string): void {
  const present = headers.get(list);
  if (present === null) {
    headers.set(list, name);
    return;
  }
  const names = present.toLowerCase().split(/[\s,]+/);
  const isAll = list === "vary" && names.includes("*");
  if (!isAll && !names.includes(name)) headers.set(list, `${present}, ${name}`);
}
