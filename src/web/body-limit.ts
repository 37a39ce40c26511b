import type { AppError } from "../errors/errors.ts";
import { FormTurns, noRoom, tooLarge } from "./form-turns.ts";

/** Bodies of a declared length up to this, in bytes, are part of what a connection costs anyway, and aren't counted. */
export const SMALL_BODY = 65_536;
/** How many bodies of the largest size may be held unfinished, all of them together. */
const LARGEST_BODIES = 8;
/** How long a body may take, in ms, before it gives way to others where there is no room for all. */
const MIN_AGE_MS = 10_000;

interface Unfinished {
  /** Bytes that have come so far. */
  held: number;
  readonly beganAt: number;
  readonly fail: (error: AppError) => void;
}

/** The bytes of all request bodies that aren't complete yet: what many senders who take their time could fill. */
export class BodyBudget {
  /** In the order in which they began. */
  readonly #unfinished = new Set<Unfinished>();
  #held = 0;
  readonly #now: () => number;

  /** @param now in ms. @default the time since the process has started */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * Passes a body on, as far as it is held to `limit` bytes and there is room for it: with a multiple of that, all
   * unfinished bodies must do. Where there is no more room, the one that has taken longest gives way, if that is at
   * least 10 seconds; otherwise the one that needs it.
   */
  count(body: ReadableStream<Uint8Array>, limit: number): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    let unfinished: Unfinished | null = null;
    const leave = (): void => {
      if (unfinished !== null) this.#leave(unfinished);
      unfinished = null;
    };
    const refuse = (controller: ReadableStreamDefaultController, error: unknown): void => {
      leave();
      controller.error(error);
      void reader.cancel().catch(() => {});
    };
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          unfinished ??= this.#begin((error) => refuse(controller, error));
          const own = unfinished;
          try {
            const { done, value } = await reader.read();
            if (unfinished === null) return; // it has given way
            if (done) {
              leave();
              return controller.close();
            }
            if (own.held + value.byteLength > limit) throw tooLarge(limit);
            this.#take(own, value.byteLength, limit * LARGEST_BODIES);
            controller.enqueue(value);
          } catch (error) {
            refuse(controller, error);
          }
        },
        cancel: (reason) => {
          leave();
          return reader.cancel(reason);
        },
      },
      { highWaterMark: 0 }, // what nobody reads isn't held
    );
  }

  #begin(giveWay: (error: AppError) => void): Unfinished {
    const unfinished = { held: 0, beganAt: this.#now(), fail: giveWay };
    this.#unfinished.add(unfinished);
    return unfinished;
  }

  #take(own: Unfinished, bytes: number, room: number): void {
    while (this.#held + bytes > room) {
      const [oldest] = this.#unfinished;
      const isSlow = oldest !== undefined && this.#now() - oldest.beganAt >= MIN_AGE_MS;
      if (!isSlow || oldest === own) throw noRoom();
      oldest.fail(noRoom());
    }
    own.held += bytes;
    this.#held += bytes;
  }

  #leave(unfinished: Unfinished): void {
    if (this.#unfinished.delete(unfinished)) this.#held -= unfinished.held;
  }
}

/** What bodies under way are held to, all of them together. */
export class UnfinishedBodies {
  readonly budget = new BodyBudget();
  readonly forms = new FormTurns();
}

/**
 * Returns the request with its body held to `limit` bytes and counted in the budget, the same one where its declared
 * length is small, or it has no use for a body. A form has its turn instead.
 *
 * @throws AppError payload_too_large at once when the declared length is over the limit; a body of unknown
 * length fails with it when it is read past the limit
 */
export function limitBody(request: Request, limit: number, { budget, forms }: UnfinishedBodies): Request {
  const { method } = request;
  if (method === "GET" || method === "HEAD") return request;
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > limit) throw tooLarge(limit);
    if (Number(declared) <= SMALL_BODY) return request;
  }
  if (request.body === null) return request;
  const { body } = request;
  if (isForm(request)) return forms.take(request, body, limit);
  return new Request(request, { method, body: budget.count(body, limit) });
}

/** How long a request's body may be, in bytes: that of a form longer than others, where its route takes files. */
export function limitOf(
  request: Request,
  { bodyLimit, formLimit = 0 }: { readonly bodyLimit: number; readonly formLimit?: number },
  { takesFiles }: { readonly takesFiles: (request: Request) => boolean },
): number {
  const isLong = formLimit > bodyLimit && mayBeLong(request, bodyLimit) && takesFiles(request);
  return isLong ? formLimit : bodyLimit;
}

/** Whether a request has a form that may be longer than `limit` bytes. */
function mayBeLong(request: Request, limit: number): boolean {
  const { headers, method } = request;
  if (method === "GET" || method === "HEAD") return false;
  const length = headers.get("content-length");
  const isLong = length === null ? headers.has("transfer-encoding") : Number(length) > limit;
  return isLong && isForm(request);
}

function isForm({ headers }: Request): boolean {
  return headers.get("content-type")?.toLowerCase().startsWith("multipart/form-data") === true;
}

/** Whether a request has more than its head (RFC 9112, section 6). */
export function isWithBody({ headers }: Request): boolean {
  const length = headers.get("content-length");
  return (length !== null && length !== "0") || headers.has("transfer-encoding");
}

/** Has the connection of a request that is refused unread closed behind its answer, where that may have a long body. */
export function closeUnread({ headers }: Request, answer: Response): void {
  // More than a few packets may still be on their way, and nobody reads them.
  const isLong = headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > SMALL_BODY;
  if (isLong) answer.headers.set("connection", "close");
}
