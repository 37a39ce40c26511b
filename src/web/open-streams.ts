import { estimateShallowMemoryUsageOf } from "bun:jsc";
import type { FollowRequest } from "./admission.ts";
import { requestIdOf } from "./request-ids.ts";

interface Iteration {
  next: () => unknown;
  return?: (value?: unknown) => unknown;
}

/** Which streams end now, those that are opened later among them. */
export type StreamEnd =
  | "resumable" // events whose client was told when to come back (HTML standard, `retry:`)
  | "events" // all events: their clients come back by themselves
  | "all";

const DONE = { done: true, value: undefined } as const;
const RETRY = /^retry:/m;
/** Types of answers that are whole when they are made, as good as always: looking closer costs more than the answer. */
const WHOLE =
  /^(?:application\/(?:json|javascript|pdf)|image\/|font\/|text\/(?:html|css|javascript)|text\/plain;charset=utf-8$)/;

/** What Bun says that a Response takes which has no bytes of its own; those that are in memory it counts, streams never. */
const WITHOUT_BYTES = estimateShallowMemoryUsageOf(new Response(null));

/** A streaming answer that is under way. */
class OpenStream {
  readonly request: Request;
  readonly #owner: OpenStreams;
  readonly #leave: () => void;
  #isOfEvents: boolean;
  #isResumable = false;
  #end: ((isCut: boolean) => void) | null = null;

  constructor(owner: OpenStreams, request: Request, { follow, isOfEvents }: StreamOptions) {
    this.request = request;
    this.#owner = owner;
    this.#isOfEvents = isOfEvents;
    const unfollow = follow?.(request, () => this.end());
    this.#leave = () => {
      owner.delete(this);
      unfollow?.();
    };
    request.signal.addEventListener("abort", this.#leave, { once: true });
  }

  /** @param end gets whether it is cut off: events go on elsewhere */
  onEnd(end: (isCut: boolean) => void): void {
    this.#end = end;
    if (this.#owner.ends(this)) this.end();
  }

  /** Sees a piece that is sent: whether it tells the client when to come back. */
  look(piece: unknown): void {
    if (this.#isResumable) return;
    if (typeof piece === "object" && piece !== null && "toSSE" in piece) {
      this.#isOfEvents = true;
      this.#isResumable = (piece as { readonly retry?: unknown }).retry !== undefined;
    } else if (this.#isOfEvents) {
      this.#isResumable = RETRY.test(toText(piece));
    }
    // Behind the piece, which is still sent.
    if (this.#isOfEvents && this.#owner.ends(this)) setImmediate(() => this.end());
  }

  isAmong(which: StreamEnd): boolean {
    if (which === "all") return true;
    return which === "events" ? this.#isOfEvents : this.#isResumable;
  }

  /** It is over by itself, or its client has gone. */
  leave(): void {
    this.#leave();
  }

  /** @param isCut whether more was to come, so that its client should know */
  end(isCut = false): void {
    this.#leave();
    const end = this.#end;
    this.#end = null;
    end?.(isCut && !this.#isOfEvents);
  }
}

export interface StreamOptions {
  /** Ends it once its request wouldn't be let in any more; null where everybody is. */
  readonly follow: FollowRequest | null;
  /** Whether it is a stream of events, as far as its headers say. */
  readonly isOfEvents: boolean;
}

/** The streaming answers of a mount that are under way, so that they can be ended. */
export class OpenStreams {
  readonly #open = new Set<OpenStream>();
  #ending: StreamEnd | null = null;

  open(request: Request, options: StreamOptions): OpenStream {
    requestIdOf(request); // what it throws is told when the request's line has been logged: under the same id
    const stream = new OpenStream(this, request, options);
    this.#open.add(stream);
    return stream;
  }

  /** The requests that they answer. */
  requests(): Set<Request> {
    return new Set([...this.#open].map(({ request }) => request));
  }

  delete(stream: OpenStream): void {
    this.#open.delete(stream);
  }

  /** Ends these, and those that are opened from now on; returns how many there were. */
  end(which: StreamEnd): number {
    this.#ending = which;
    const ended = [...this.#open].filter((stream) => stream.isAmong(which));
    for (const stream of ended) stream.end(which === "all");
    return ended.length;
  }

  /** Whether a stream is to end at once. */
  ends(stream: OpenStream): boolean {
    return this.#ending !== null && stream.isAmong(this.#ending);
  }
}

/** Has the streaming answers of a mount to a request ended, by the mount or because its access has ended. */
export interface StreamKeeper extends StreamOptions {
  readonly streams: OpenStreams;
  /** Told what a ReadableStream throws. @default nobody is */
  readonly report?: (error: unknown) => void;
}

/**
 * Has the streaming answer to a request end when its keeper says so. Returns what is answered instead, undefined where
 * that is the value itself.
 */
export function toEndable(
  value: object,
  request: Request,
  keeper: StreamKeeper,
): Response | ReadableStream | undefined {
  // Elysia makes a whole answer of a stream that fails, and tells the console.
  if (value instanceof ReadableStream) return toEndableStream(value, request, { ...keeper, fails: false });
  if (value instanceof Response) {
    if (!hasStream(value, keeper.follow !== null) || value.body === null || value.bodyUsed) return undefined;
    const isOfEvents = isEventStream(value.headers.get("content-type"));
    return new Response(toEndableStream(value.body, request, { ...keeper, isOfEvents, fails: true }), value);
  }
  if ("next" in value && typeof value.next === "function") {
    makeEndable(value as Iteration, request, keeper);
  }
  return undefined;
}

/** Like `toEndable`, of whatever a route answers with. */
export function endAnswer(answer: unknown, request: Request, keeper: StreamKeeper): unknown {
  return (answer instanceof Response && toEndable(answer, request, keeper)) || answer;
}

/** Whether a content type is that of a stream of events. */
export function isEventStream(type: unknown): boolean {
  return typeof type === "string" && type.startsWith("text/event-stream");
}

/**
 * To ask for the `body` of any other response makes it a stream of bytes without a type.
 *
 * @param isSure whether a stream must be found whatever its type says
 */
function hasStream(response: Response, isSure: boolean): boolean {
  if (response.url !== "") return true;
  // Asked first: all else takes as long as a whole request.
  if (estimateShallowMemoryUsageOf(response) > WITHOUT_BYTES) return false;
  if (!isSure && response.status >= 300 && response.status < 400) return false;
  const type = isSure ? null : response.headers.get("content-type");
  if (type !== null && WHOLE.test(type)) return false;
  return Bun.inspect(response, { depth: 0 }).includes("\n  ReadableStream {");
}

function toEndableStream(
  body: ReadableStream,
  request: Request,
  keeper: StreamKeeper & { readonly fails: boolean },
): ReadableStream {
  const reader = body.getReader() as ReadableStreamDefaultReader<unknown>;
  const open = keeper.streams.open(request, keeper);
  let isEnded = false;
  const stream = new ReadableStream<unknown>({
    start(controller) {
      open.onEnd((isCut) => {
        isEnded = true;
        // Nobody must take a part for the whole.
        if (isCut && keeper.fails) controller.error(new Error("The stream was cut off"));
        else controller.close();
        void reader.cancel().catch(() => {});
      });
    },
    async pull(controller) {
      const read = await reader.read().catch((error: unknown) => ({ error }));
      if (isEnded) return;
      if ("error" in read) {
        open.leave();
        keeper.report?.(read.error);
        // Not what it threw: Bun would print that beside the log.
        if (keeper.fails) controller.error(new Error("The stream failed"));
        else controller.close();
        return;
      }
      const { done, value } = read;
      if (!done) {
        open.look(value);
        return controller.enqueue(value);
      }
      open.leave();
      controller.close();
    },
    async cancel(reason) {
      open.leave();
      await reader.cancel(reason);
    },
  });
  // What Elysia's sse() notes of a stream.
  return "sse" in body ? Object.assign(stream, { sse: body.sse }) : stream;
}

/** Elysia asks a generator for one piece after another. */
function makeEndable(stream: Iteration, request: Request, keeper: StreamKeeper): void {
  const next = stream.next.bind(stream) as () => IteratorResult<unknown> | Promise<IteratorResult<unknown>>;
  const finish = stream.return?.bind(stream);
  const open = keeper.streams.open(request, keeper);
  let isEnded = false;
  let waiting: ((result: typeof DONE) => void) | null = null;
  open.onEnd(() => {
    isEnded = true;
    waiting?.(DONE);
    // A generator that waits for its next piece returns when it has it.
    void Promise.resolve(finish?.()).catch(() => {});
  });
  const look = <Result extends IteratorResult<unknown>>(result: Result): Result => {
    if (result.done === true) open.leave();
    else open.look(result.value);
    return result;
  };
  stream.next = () => {
    if (isEnded) return DONE;
    const result = next();
    if (!(result instanceof Promise)) return look(result);
    return new Promise((resolve, reject) => {
      waiting = resolve;
      result.then((found) => resolve(look(found)), reject);
    });
  };
  if (finish === undefined) return;
  stream.return = (value) => {
    open.leave();
    return finish(value);
  };
}

function toText(piece: unknown): string {
  if (typeof piece === "string") return piece;
  if (!ArrayBuffer.isView(piece)) return "";
  return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).toString("latin1");
}
