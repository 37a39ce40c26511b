// JSON is no document: it can't be framed, and nothing is navigated to from it.
const DOCUMENT_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["x-frame-options", "SAMEORIGIN"],
  ["referrer-policy", "strict-origin-when-cross-origin"],
];

/** Adds the headers that harden a response in the browser, except those that its handler has set itself. */
export function addSecurityHeaders(headers: Headers): void {
  headers.set("x-content-type-options", "nosniff");
  if (headers.get("content-type")?.startsWith("application/json")) return;
  for (const [name, value] of DOCUMENT_HEADERS) {
    if (!headers.has(name)) headers.set(name, value);
  }
}

/** Content security policy of the pages that xcore itself serves: nothing from another origin. */
export const PAGE_CONTENT_SECURITY_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; " +
  "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";
