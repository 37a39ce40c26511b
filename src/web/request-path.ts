const SLASH = 47;

/** Returns the path of a request's URL, with neither host nor query. */
export function pathOf(url: string): string {
  const start = startOfPath(url);
  if (start === -1) return "/";
  const query = url.indexOf("?", start);
  return query === -1 ? url.slice(start) : url.slice(start, query);
}

/**
 * Elysia looks for the path from index 11 of the URL. That misses it behind a host of up to three letters
 * ("api", "web"), and where the client named no valid host at all: gives such a request a longer host. Returns
 * any other request as it is.
 */
export function withRoutableUrl(request: Request): Request {
  const start = startOfPath(request.url);
  if (start >= 11) return request;
  const target = start === -1 ? "/" : request.url.slice(start);
  return new Request(`http://localhost${target}`, request);
}

function startOfPath(url: string): number {
  // Without a valid host, Bun's URL of a request is its path alone: a later slash must not pass for the first.
  return url.charCodeAt(0) === SLASH ? 0 : url.indexOf("/", 8);
}
