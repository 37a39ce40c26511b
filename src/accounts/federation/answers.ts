import type { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";

/** How long a provider may take for one answer, in seconds. */
export const TIMEOUT_SECONDS = 8;
const MAX_BYTES = 512 * 1024;

/** What a request to a provider is sent with. */
export interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: RequestInit["body"];
  readonly signal?: AbortSignal;
}

/**
 * Asks a provider, who may be slow, send without end, or lead elsewhere: an answer is taken in its time, up to 512 KB, and from
 * the address that was asked.
 *
 * @throws Error where there is no such answer
 */
export async function askProvider(url: string, sent: Sent): Promise<Response> {
  const own = AbortSignal.timeout(TIMEOUT_SECONDS * 1000);
  const signal = sent.signal === undefined ? own : AbortSignal.any([own, sent.signal]);
  const { method = "GET", headers = {}, body = null } = sent;
  const response = await fetch(url, { method, headers, body, signal, redirect: "manual" });
  const bytes = await readBody(response);
  return new Response(bytes, { status: response.status, headers: withoutEncoding(response.headers) });
}

/** The error of a provider that can't be asked, or answers nothing of use. */
export function providerUnavailable(cause: unknown): AppError {
  return fail("provider_unavailable", "The provider doesn't answer as it should: try again later", { cause });
}

/** The error of what a browser brings back from a provider, and that isn't the answer to what it was sent with. */
export function signInInvalid(message: string, cause?: unknown): AppError {
  return fail("sign_in_invalid", message, { cause });
}

async function readBody({ body, status }: Response): Promise<Uint8Array<ArrayBuffer> | null> {
  if (body === null || [101, 204, 205, 304].includes(status)) return null;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop cancels the rest.
    if (size > MAX_BYTES) throw new RangeError(`The provider's answer is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** It is decoded by now. */
function withoutEncoding(headers: Headers): Headers {
  const kept = new Headers(headers);
  for (const name of ["content-encoding", "content-length", "transfer-encoding"]) kept.delete(name);
  return kept;
}
