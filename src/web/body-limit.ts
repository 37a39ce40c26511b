import type { AppError } from "../errors/errors.ts";
import { fail } from "../errors/codes.ts";

/**
 * Returns the request with its body held to `limit` bytes, the same one where its length is declared.
 *
 * @throws AppError payload_too_large at once when the declared length is over the limit; a body of unknown
 * length fails with it when it is read past the limit
 */
export function limitBody(request: Request, limit: number): Request {
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > limit) throw tooLarge(limit);
    return request;
  }
  if (request.body === null) return request;
  const { method, body } = request;
  return new Request(request, { method, body: body.pipeThrough(countBytes(limit)) });
}

function countBytes(limit: number): TransformStream<Uint8Array, Uint8Array> {
  let seen = 0;
  return new TransformStream({
    transform(chunk, controller) {
      seen += chunk.byteLength;
      if (seen > limit) controller.error(tooLarge(limit));
      else controller.enqueue(chunk);
    },
  });
}

function tooLarge(limit: number): AppError {
  return fail("payload_too_large", `Cannot take the body: it is larger than ${limit} bytes`, {
    headers: { connection: "close" },
  });
}
