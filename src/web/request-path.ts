const SLASH = 47;

/** Returns the path of a request's URL, with neither host nor query. */
export function pathOf(url: string): string {
  return pathFrom(url, startOfPath(url));
}

/** Like pathOf, for whoever knows where the path starts. */
export function pathFrom(url: string, start: number): string {
  if (start === -1) return "/";
  const query = url.indexOf("?", start);
  return query === -1 ? url.slice(start) : url.slice(start, query);
}

/** Returns the index at which the path of a URL starts, -1 when it has none. */
export function startOfPath(url: string): number {
  // Without a valid host, Bun's URL of a request is its path alone: a later slash must not pass for the first.
  return url.charCodeAt(0) === SLASH ? 0 : url.indexOf("/", 8);
}

/**
 * Elysia looks for the path from index 11 of the URL. That misses it behind a host of up to three letters
 * ("api", "web"), and where the client named no valid host at all: such a request needs a longer host.
 */
export function isRoutable(start: number): boolean {
  return start >= 11;
}

/** Gives a request that isn't routable a longer host; returns any other as it is. */
export function withRoutableUrl(request: Request): Request {
  const { url } = request;
  const start = startOfPath(url);
  if (isRoutable(start)) return request;
  return new Request(`http://localhost${start === -1 ? "/" : url.slice(start)}`, request);
}
