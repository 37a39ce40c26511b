import { requestIdOf } from "./request-ids.ts";

/**
 * Returns a response that `fetch` gave without the headers of a body that it has already decoded (Fetch
 * standard), so that it can be passed on; undefined for any other response.
 */
export function withoutEncoding(response: Response): Response | undefined {
  if (response.url === "" || !response.headers.has("content-encoding")) return undefined;
  const headers = new Headers(response.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/**
 * Reports what a streaming handler throws after its first piece: the status has been sent by then, and Elysia
 * prints the error to the console and ends the response.
 */
export function followStream(stream: object, request: Request, report: (error: unknown) => void): void {
  if (!isIterator(stream)) return;
  requestIdOf(request); // the report comes when the request's line has been logged: under the same id
  const next = stream.next.bind(stream);
  let isFirst = true;
  const end = (error: unknown) => {
    report(error);
    return { done: true, value: undefined };
  };
  stream.next = () => {
    // What fails before the first piece can still be answered with a status.
    if (isFirst) {
      isFirst = false;
      return next();
    }
    try {
      const result = next();
      return result instanceof Promise ? result.catch(end) : result;
    } catch (error) {
      return end(error);
    }
  };
}

function isIterator(value: object): value is { next: () => unknown } {
  return "next" in value && typeof value.next === "function";
}
