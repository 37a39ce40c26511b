import type { FollowRequest } from "./admission.ts";

interface Iteration {
  next: () => unknown;
  return?: () => unknown;
}

const DONE = { done: true, value: undefined } as const;

/**
 * Has the streaming answer to a request end once the request wouldn't be let in any more. Returns what is answered
 * instead, undefined where that is the value itself.
 */
export function toEndable(
  value: object,
  request: Request,
  follow: FollowRequest,
): Response | ReadableStream | undefined {
  if (value instanceof ReadableStream) return toEndableStream(value, request, follow);
  if (value instanceof Response) {
    if (!hasStream(value) || value.body === null || value.bodyUsed) return undefined;
    return new Response(toEndableStream(value.body, request, follow), value);
  }
  if ("next" in value && typeof value.next === "function") {
    makeEndable(value as Iteration, request, follow);
  }
  return undefined;
}

/** Like `toEndable`, of whatever a route answers with. */
export function endAnswer(answer: unknown, request: Request, follow: FollowRequest): unknown {
  return (answer instanceof Response && toEndable(answer, request, follow)) || answer;
}

/** To ask for the `body` of any other response makes it a stream of bytes without a type. */
function hasStream(response: Response): boolean {
  return response.url !== "" || Bun.inspect(response, { depth: 0 }).includes("\n  ReadableStream {");
}

function toEndableStream(body: ReadableStream, request: Request, follow: FollowRequest): ReadableStream {
  const reader = body.getReader() as ReadableStreamDefaultReader<unknown>;
  const access = followUntilGone(request, follow);
  let isEnded = false;
  return new ReadableStream<unknown>({
    start(controller) {
      access.onEnd(() => {
        isEnded = true;
        controller.close();
        void reader.cancel().catch(() => {});
      });
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (isEnded) return;
      if (!done) return controller.enqueue(value);
      access.leave();
      controller.close();
    },
    async cancel(reason) {
      access.leave();
      await reader.cancel(reason);
    },
  });
}

/** Elysia asks a generator for one piece after another. */
function makeEndable(stream: Iteration, request: Request, follow: FollowRequest): void {
  const next = stream.next.bind(stream) as () => IteratorResult<unknown> | Promise<IteratorResult<unknown>>;
  const access = followUntilGone(request, follow);
  let isEnded = false;
  let waiting: ((result: typeof DONE) => void) | null = null;
  access.onEnd(() => {
    isEnded = true;
    waiting?.(DONE);
    // A generator that waits for its next piece returns when it has it.
    void Promise.resolve(stream.return?.()).catch(() => {});
  });
  const look = <Result extends IteratorResult<unknown>>(result: Result): Result => {
    if (result.done === true) access.leave();
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
}

/** Follows a request until it is answered, or its client has gone away. */
function followUntilGone(request: Request, follow: FollowRequest) {
  let end: (() => void) | null = null;
  const leave = follow(request, () => end?.());
  request.signal.addEventListener("abort", leave, { once: true });
  return { leave, onEnd: (run: () => void) => void (end = run) };
}
