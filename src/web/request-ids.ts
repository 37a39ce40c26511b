const PREFIX = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString("hex");
// An id is put together from strings that exist: formatting a number takes as long as all the rest.
const LAST_DIGITS = Array.from({ length: 4096 }, (_, number) => number.toString(16).padStart(3, "0"));

let counter = 0;
let firstDigits = `${PREFIX}-0`;
const ids = new WeakMap<Request, string>();
/** Requests with an id that is yet to be asked for the last time. While there are none, nobody looks. */
let remembered = 0;

/** Returns the id of a request, the same one for as long as the request lives. */
export function requestIdOf(request: Request): string {
  let id = ids.get(request);
  if (id === undefined) {
    id = makeRequestId();
    ids.set(request, id);
    remembered += 1;
  }
  return id;
}

/** Returns the id of a request that somebody has asked for; undefined where nobody has. */
export function knownRequestId(request: Request): string | undefined {
  return remembered === 0 ? undefined : ids.get(request);
}

/** Like knownRequestId, for the one who asks last, once. */
export function takeRequestId(request: Request): string | undefined {
  const id = knownRequestId(request);
  if (id !== undefined) remembered -= 1;
  return id;
}

/** Makes the id of a request that has none. To remember nothing of it, as `requestIdOf` does, is cheaper. */
// A client's own x-request-id is not taken over: whoever reads the log must be able to trust it.
export function makeRequestId(): string {
  counter += 1;
  const last = counter % LAST_DIGITS.length;
  if (last === 0) firstDigits = `${PREFIX}-${(counter / LAST_DIGITS.length).toString(16)}`;
  return firstDigits + LAST_DIGITS[last];
}
