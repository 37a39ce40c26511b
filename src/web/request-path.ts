/** Returns the path of a request's URL, with neither host nor query. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", 8);
  if (start === -1) return "/";
  const query = url.indexOf("?", start);
  return query === -1 ? url.slice(start) : url.slice(start, query);
}

/**
 * Elysia looks for the path from index 11 of the URL, so a host of up to three letters ("api", "web") hides
 * it: gives such a request a longer host. Returns any other request as it is.
 */
export function withRoutableUrl(request: Request): Request {
  const start = request.url.indexOf("/", 8);
  return start >= 11 ? request : new Request(`http://localhost${request.url.slice(start)}`, request);
}
