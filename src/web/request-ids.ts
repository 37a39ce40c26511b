const PREFIX = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString("hex");
const ACCEPTED = /^[\w.-]{1,128}$/;

let counter = 0;
const ids = new WeakMap<Request, string>();

/**
 * Returns the id of a request, the same one for as long as the request lives: the client's `x-request-id`
 * when it is 1 to 128 letters, digits, dots, dashes or underscores, otherwise a new one.
 */
export function requestIdOf(request: Request): string {
  let id = ids.get(request);
  if (id === undefined) {
    id = createRequestId(request);
    ids.set(request, id);
  }
  return id;
}

/** Like requestIdOf, for the last reader of the id: remembers nothing, which is cheaper. */
export function finalRequestIdOf(request: Request): string {
  return ids.get(request) ?? createRequestId(request);
}

function createRequestId(request: Request): string {
  const given = request.headers.get("x-request-id");
  if (given !== null && ACCEPTED.test(given)) return given;
  counter += 1;
  return `${PREFIX}-${counter.toString(36)}`;
}
