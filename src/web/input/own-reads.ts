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

/** Has a handler that reads the body of a request itself get what has been read of it already. */
export function repeatReads(request: Request, body: Uint8Array<ArrayBuffer>): void {
  Object.setPrototypeOf(request, repeating);
  (request as Repeating)[BODY] = body;
}

interface Repeating extends Request {
  [BODY]: Uint8Array<ArrayBuffer>;
}

const BODY = Symbol("body");

/** What requests inherit whose bodies are repeated: to define all of it on each takes as long as the rest of a route. */
const repeating: object = Object.create(
  Request.prototype,
  Object.getOwnPropertyDescriptors({
    async arrayBuffer(this: Repeating): Promise<ArrayBuffer> {
      return this[BODY].slice().buffer;
    },
    async bytes(this: Repeating): Promise<Uint8Array<ArrayBuffer>> {
      return this[BODY].slice();
    },
    async text(this: Repeating): Promise<string> {
      return new TextDecoder().decode(this[BODY]);
    },
    async json(this: Repeating): Promise<unknown> {
      return JSON.parse(new TextDecoder().decode(this[BODY])) as unknown;
    },
    blob(this: Repeating): Promise<Blob> {
      return toResponse(this).blob();
    },
    formData(this: Repeating) {
      return toResponse(this).formData();
    },
    clone(this: Repeating): Request {
      const { url, method, headers, signal, [BODY]: body } = this;
      return new Request(url, { method, headers, signal, body });
    },
    get body(): ReadableStream<Uint8Array> | null {
      return toResponse(this as unknown as Repeating).body;
    },
    get bodyUsed(): boolean {
      return false;
    },
  }),
);

function toResponse({ headers, [BODY]: body }: Repeating): Response {
  return new Response(body, { headers });
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
