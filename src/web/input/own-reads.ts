const READS = ["arrayBuffer", "blob", "bytes", "formData", "json", "text"] as const;
/** How often, in ms, a body that is read piece by piece is checked before it is whole. */
const EVERY_MS = 1000;

/**
 * Has a handler that reads the body of a request itself get it once `check` has passed, which runs when the body is there:
 * a read rejects with what `check` does. What is made of the request by `new Request(request)` is read without.
 */
export function checkReads(request: Request, check: () => Promise<void>): void {
  const clone = request.clone.bind(request);
  for (const name of READS) {
    const read = request[name] as () => Promise<unknown>;
    define(request, name, {
      async value(this: Request) {
        const body = await read.call(request);
        await check();
        return body;
      },
    });
  }
  define(request, "clone", {
    value() {
      const copy = clone();
      checkReads(copy, check);
      return copy;
    },
  });
  let body: ReadableStream<Uint8Array> | null = null;
  define(request, "body", {
    get: () => {
      const own = Reflect.get(Request.prototype, "body", request) as typeof body;
      return (body ??= own && toChecked(own, check));
    },
  });
}

function define(request: Request, name: keyof Request, descriptor: PropertyDescriptor): void {
  Object.defineProperty(request, name, { configurable: true, ...descriptor });
}

function toChecked(body: ReadableStream<Uint8Array>, check: () => Promise<void>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let checkedAt = performance.now();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done || performance.now() - checkedAt > EVERY_MS) {
          try {
            await check();
          } catch (error) {
            await reader.cancel().catch(() => {});
            throw error;
          }
          checkedAt = performance.now();
        }
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
